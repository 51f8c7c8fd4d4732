"""Recordings: reading, checking, and cutting into windows and folds."""
