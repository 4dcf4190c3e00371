"""Bake files of docker buildx, in HCL or JSON: which targets there are, and how each is built."""
