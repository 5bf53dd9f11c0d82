"""What a finding asks for, done: weights rescaled, audited again, and written."""
