"""A network and data -> statistics of every call of every layer."""
