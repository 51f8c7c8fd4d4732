"""The finding of the code: what refitted decoders say of it, without SSL."""
