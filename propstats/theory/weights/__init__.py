"""Weights at initialisation: how many terms a layer sums, how its weights are drawn, and what that does to a signal."""
