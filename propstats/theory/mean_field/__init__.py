"""Mean field theory: what depth makes of the signal's size and of the correlation of two inputs, at infinite width."""
