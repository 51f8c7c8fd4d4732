"""One session opened for measuring: its windows, folds and target."""
