"""Experiments that run as they are."""
