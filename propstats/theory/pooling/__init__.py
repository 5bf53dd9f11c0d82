"""Pooling: what a window does to the signal and to the gradient, for any window, border and overlap."""
