"""One build: what there is to do, doing it, and what of it is remembered."""
