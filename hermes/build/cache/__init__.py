"""Results of builds, and their layers, that machines share by a registry or a folder: ``--cache-from`` and ``--cache-to``."""
