"""Python packages: what locks name for a target, where the machine gets files from, and how a wheel is installed.

It does not know rules, actions or layers of an image; see `hermes.debian` for the same of Debian packages.
"""
