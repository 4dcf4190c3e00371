"""``hermes`` and ``python -m hermes``: how the process begins and ends, around the command line.

Most commands are over in a fraction of a second. They have no time to look for garbage while modules are loaded, nor
to take apart at the end, object by object, what the kernel takes away as a whole.
"""

import contextlib
import gc
import os
import sys
from typing import Final

_INTERRUPTED: Final = 130
_GARBAGE: Final = 50_000
"""How many more objects than before are worth a search for those that nobody can reach."""


def main() -> None:
    """Run the command line and exit."""
    gc.set_threshold(_GARBAGE)
    _open_standard_streams()
    try:
        from hermes.cli.main import exit_status

        status = exit_status()
    except KeyboardInterrupt:  # while modules were being loaded
        status = _INTERRUPTED
    _leave(status)


def _open_standard_streams() -> None:
    """Open the null device in place of closed standard streams, whose numbers other files would get."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def _leave(status: int) -> None:
    """End the process. Every thread and file is done with by now, but for the standard streams."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = status or 1
    except (OSError, ValueError) as error:
        status = status or 1
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(
                f"error: standard output cannot be written: {getattr(error, 'strerror', error)}\n"
            )
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
