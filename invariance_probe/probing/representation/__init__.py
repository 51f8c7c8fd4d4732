"""What a representation looks like: rank, similarity, S(d) and detection."""
