"""Expectations of activations under a Gaussian, by independent routes."""
