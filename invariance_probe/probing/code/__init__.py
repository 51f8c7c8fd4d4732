"""The finding of the code: what decoders that are refitted say, without SSL."""
