"""invariance_probe."""
