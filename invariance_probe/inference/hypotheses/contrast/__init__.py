"""Hypotheses that distant pairs help decoding."""
