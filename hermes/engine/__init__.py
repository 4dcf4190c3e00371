"""Keys actions, finds their results, and runs what is missing. It knows no concrete kind of action."""
