"""Closed forms, derived: Gaussian integrals reduced by a table and a few rules, every step of which can be shown."""
