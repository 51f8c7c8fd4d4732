"""Decoders of representations and of activity: ridge, logistic, refitting."""
