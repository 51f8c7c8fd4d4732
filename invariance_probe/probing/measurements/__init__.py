"""One file for each thing that is measured on a session or a model."""
