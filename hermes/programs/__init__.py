"""Programs: what ELF files say they need, and whether a root file system has it."""
