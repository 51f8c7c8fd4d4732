"""Recordings: reading, simulating, checking, and cutting into windows and folds."""
