"""Properties of a representation: rank, similarity, invariance, detection."""
