"""Training: stacked models, their examples, update rules and checkpoints.

Many models are trained at once, as one stack: the first axis of every tensor is the run
(one model with its session, seed and fold), and no run influences another.

`ensemble.train` is the one training loop. `examples` and `batch_order` choose the
windows of each step, `optimizers` holds the update rules, `adversaries` corrupt the
views so that the loss rises, and `checkpoints` let an interrupted training continue.
Nothing here decodes a target from a trained model.
"""
