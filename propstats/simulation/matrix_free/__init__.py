"""The Jacobian of a network of any size, known by its products with vectors alone."""
