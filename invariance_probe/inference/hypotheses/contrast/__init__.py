"""Hypotheses that distant pairs help."""
