"""From run results to the samples that claims are tested on."""
