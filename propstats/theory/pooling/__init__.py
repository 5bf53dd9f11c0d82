"""Pooling: what a window does to the signal and to the gradient, for any window, border and overlap.

`pool` (in `propstats.theory.pooling.pool`) does a whole layer by every route. For use inside other theory,
`window_moments` (in `window`) gives the numbers of one window by formula or quadrature, and `pool_layer(...).layout()`
(in `layer`) the windows of a layer, with how many of each kind hold a position and how many begin with it:
`E[dx_i^2]` is the sum over both of the slopes `other` and `first`.
"""
