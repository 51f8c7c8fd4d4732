"""Refitted linear decoders that show what a code holds, without SSL."""
