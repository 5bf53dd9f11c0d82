"""The command line of propstats: parse, call one library function, render."""
