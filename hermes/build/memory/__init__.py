"""What the last build knew, so that the next one does less."""
