"""`python -m propstats_cli`."""

from propstats_cli.main import main

main()
