"""What npm's lock files mean: packages that are fetched, and the ``node_modules`` that they become. No npm is needed."""
