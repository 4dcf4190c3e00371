"""Secrets of commands: what they look like when they are written down, and how they are kept out of what is kept."""
