"""What every number, scheme and finding means: the texts behind `propstats explain`."""
