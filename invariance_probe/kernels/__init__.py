"""Native kernels: the inner loops of a training step, in compiled C++.

`native.cpp` is compiled on the machine that runs it (`build`), and is called on the
memory of CPU tensors (`library`). `functions` wraps its functions for the layers of
networks, and `draws` for the random views. `arithmetic` chooses between torch and the
native kernels.
"""
