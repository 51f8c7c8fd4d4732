"""Judging of hypotheses about what a dose costs the code and learning."""
