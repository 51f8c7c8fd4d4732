"""Power: how often a study would show what it predicts.

Studies are simulated from spreads, the variation of each estimand over sessions, seeds
and test blocks. Spreads come from a pilot study or are stated.
"""
