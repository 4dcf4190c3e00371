"""How fast Hermes is, beside its peers: see `python -m tests.bench --help`."""
