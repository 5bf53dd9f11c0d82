"""Watching networks where people work: while they train, in their tests, in their notebooks."""
