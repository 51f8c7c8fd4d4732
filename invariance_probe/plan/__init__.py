"""From a study to the list of its runs, before anything is trained.

A run is one model to train or one measurement to make. The package also holds the keys
of runs, training recipes, the price of a study, cautions, registration and licences. It
trains and measures nothing and needs no torch.
"""
