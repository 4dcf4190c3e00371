"""The calls into the user namespace: their parameters and results, and the functions of `hermes.container.inside`.

Each module has those that one kind of command needs, so that no command loads the others.
"""

from typing import Final

PRELOADED: Final = (
    "hermes.container.inside.run_in_stack",
    "hermes.container.inside.committing",
    "hermes.container.inside.checking",
    "hermes.container.inside.extracting",
    "hermes.sandbox.bubblewrap",
)
"""What the namespace of a build, which makes many calls, has loaded before them."""
