"""Debian packages: apt's sources and signed indexes, which packages go together, their lock files, and what is in them.

It does not know what a target is.
"""
