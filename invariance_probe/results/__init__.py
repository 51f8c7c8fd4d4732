"""The run store: results and encoders on disk, shared by all studies."""
