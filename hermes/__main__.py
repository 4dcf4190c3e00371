"""``hermes`` and ``python -m hermes``: how the process begins and ends, around the command line.

Most commands are over in a fraction of a second. They have no time to look for garbage while modules are loaded, nor
to take apart at the end, object by object, what the kernel takes away as a whole.
"""

import gc
import os
import sys
from typing import Final

_GARBAGE: Final = 50_000
"""How many more objects than before are worth a search for those that nobody can reach."""


def main() -> None:
    """Run the command line and exit."""
    gc.set_threshold(_GARBAGE)
    from hermes.cli.main import exit_status

    _leave(exit_status())


def _leave(status: int) -> None:
    """End the process. Every thread and file is done with by now, but for the standard streams."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        sys.exit(status)  # Python says what is wrong with them, if anybody can hear it
    os._exit(status)


if __name__ == "__main__":
    main()
