"""Images, archives and registries that mean harm, and what becomes of each: see `tests.hostile.run`."""
