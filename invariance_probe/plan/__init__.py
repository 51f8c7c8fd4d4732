"""From a study to the list of its runs, before anything is trained.

The package holds conditions, runs and their keys, training recipes, the price of a
study, cautions, registration and licences. It trains and measures nothing and needs no
torch.
"""
