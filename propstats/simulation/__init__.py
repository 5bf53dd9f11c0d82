"""Networks drawn at random, in torch: the theory, tried out."""
