"""Ways out of the dilemma: units that keep the signal and bound the growth of gradients, at a price that is stated."""
