"""From run results to the quantities of a hypothesis, session by session."""
