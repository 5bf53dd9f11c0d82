"""Activations from the expressions and functions of other libraries."""
