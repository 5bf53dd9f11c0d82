"""Numbers that others printed, judged, and the constants of our own, with proven digits."""
