"""What a unit and a network of units should carry, before a single step of training."""
