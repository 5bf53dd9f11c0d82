"""A model file -> a network, without running what is in the file."""
