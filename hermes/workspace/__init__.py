"""The folder with ``hermes.yaml``: its root, configuration, files, and what is remembered of them."""
