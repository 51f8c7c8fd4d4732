"""How often a study would show what it predicts, from the spreads that a pilot shows."""
