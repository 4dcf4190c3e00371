"""The command line: thin, one module per group of commands, on top of `hermes.api`."""
