"""What all services in Python share."""
