"""``python -m hermes``."""

from hermes.cli.main import main

main()
