"""Judging of hypotheses that training on distant pairs helps decoding."""
