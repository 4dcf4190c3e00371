"""Where images go to and come from. Each transport has the form ``NAME:WHERE``, as skopeo writes it."""
