"""Hypotheses about what a dose costs: the finding of the code, the finding of learning, and the word."""
