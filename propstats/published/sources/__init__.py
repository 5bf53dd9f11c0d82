"""What others printed, one module for each place."""
