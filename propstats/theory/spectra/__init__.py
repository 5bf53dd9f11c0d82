"""Spectra of Jacobians: by free probability at infinite width, and what finite widths add."""
