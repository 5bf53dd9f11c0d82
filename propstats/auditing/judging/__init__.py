"""Expected against measured: findings and what to do."""
