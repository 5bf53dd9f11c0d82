"""Weights alone: what can be said of a network without running it."""
