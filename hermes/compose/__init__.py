"""Compose files: which services there are, and how each is built. See the Compose Specification."""
