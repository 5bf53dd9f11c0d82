"""`python -m propstats`: the command line, wherever it is installed."""

from runpy import run_module

run_module("propstats_cli", run_name="__main__", alter_sys=True)
