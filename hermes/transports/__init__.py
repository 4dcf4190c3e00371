"""Where images come from and go to besides the store: one module for each transport, and one intake for all of them."""
