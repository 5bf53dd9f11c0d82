"""A name, a file or a factory -> inputs for a network."""
