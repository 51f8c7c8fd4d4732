"""Training: stacked runs, their examples, update rules and checkpoints.

`ensemble.train` is the one training loop. `examples` and `order` choose the windows of
each step, `optimizers` the update rule, `adversaries` corrupt the views against the
models, and `checkpoints` let a training go on after it was cut off. Nothing here reads
the results of probes.
"""
