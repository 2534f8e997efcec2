"""Writing functions out straight, about Python and not about kernels."""
