"""From run results to the values, per session, that claims are tested on."""
