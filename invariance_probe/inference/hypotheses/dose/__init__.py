"""Hypotheses about what a dose costs: code, learning and the verdict's word."""
