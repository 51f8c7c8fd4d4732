"""Decoders of frozen representations and of activity: ridge, logistic, read-out and refitting."""
