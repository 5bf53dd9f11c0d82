"""The experiments of the NormProp paper, repeated on real images."""
