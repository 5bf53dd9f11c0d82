"""Networks written down in a small TOML or JSON file."""

from propstats.rules.network_file.read import read_network as read_network
