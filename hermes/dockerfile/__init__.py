"""Dockerfiles: parse, expand, and translate into the action graph. It does not know how a build is run."""
