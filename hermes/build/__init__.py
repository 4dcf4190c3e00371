"""One build: what there is to do, doing it, and what is remembered."""
