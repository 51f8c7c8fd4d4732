"""What a representation looks like apart from its decoding loss: rank, similarity, S(d), detection."""
