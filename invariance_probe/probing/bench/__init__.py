"""One session opened for measuring: windows, folds, target, pooled sessions and stored encoders."""
