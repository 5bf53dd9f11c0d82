"""`python -m propstats_cli`."""

from propstats_cli.start import main

main()
