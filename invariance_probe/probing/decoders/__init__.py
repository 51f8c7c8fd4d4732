"""Decoders of representations and of activity: ridge and logistic regression."""
