"""A training step's inner loops, compiled on the machine that runs them: native.cpp, called on tensors' memory."""
