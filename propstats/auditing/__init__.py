"""Audit a real network on real data: load, probe, expect, judge."""
