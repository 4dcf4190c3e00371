"""A Dockerfile as a BUILD file of native rules."""
