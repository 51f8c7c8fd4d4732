"""Hypotheses: what each kind needs, how it is judged, and its words."""
