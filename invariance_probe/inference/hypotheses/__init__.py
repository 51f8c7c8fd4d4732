"""Judging of hypotheses: evidence, gates, claims and sentences of each kind."""
