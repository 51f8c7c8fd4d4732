"""Power: how often a study would show what it predicts.

Studies are simulated from the spreads that a pilot shows, or from stated ones.
"""
