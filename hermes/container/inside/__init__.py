"""What runs in the user namespace: each module is entered by calls of `hermes.container.calls`, or serves one that is."""
