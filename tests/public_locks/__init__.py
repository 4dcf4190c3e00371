"""Locks of public projects, built by Hermes without a network and held path by path to what uv and npm install."""
