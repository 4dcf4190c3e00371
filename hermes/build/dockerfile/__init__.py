"""Builds of Dockerfiles: what they name, and what comes of them."""
