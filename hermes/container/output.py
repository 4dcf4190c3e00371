"""What a command prints: through pipes, and with the secrets in it masked before it goes anywhere.

A command sees a pipe, as with docker and buildah, and not the file that its output goes to: that is another in each store.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from hermes.errors import HermesError
from hermes.store.blobs import write_all
from hermes.store.io_errors import store_error

if TYPE_CHECKING:
    from hermes.container.secrets.masking import Masker

_PIECE: Final = 1 << 16


@contextmanager
def piped(
    stdio: tuple[int, int, int],
    masker: Callable[[], Masker | None] = lambda: None,
    tell: Callable[[bytes], None] = lambda _: None,
    most: int = 0,
) -> Iterator[tuple[int, int, int]]:
    """Give descriptors for a command whose output reaches that of ``stdio`` only through pipes, and maskers if given.

    ``tell`` is called with each piece, by another thread. What a stream has beyond ``most`` bytes (0: any) is dropped. Output and error that are one descriptor stay one stream. At the end everything has been written; raises
    `StoreError` when it could not be written.
    """
    streams = {fd: _Stream(fd, masker(), tell, most) for fd in dict.fromkeys(stdio[1:])}
    try:
        yield stdio[0], streams[stdio[1]].fd, streams[stdio[2]].fd
    except BaseException as error:
        for stream in streams.values():
            stream.close(ended=isinstance(error, HermesError))
        raise
    for stream in streams.values():
        stream.close(ended=True)
    for stream in streams.values():
        if stream.error is not None:
            raise store_error(stream.error, "what the command printed")


class _Stream:
    """A pipe, and the thread that empties it."""

    def __init__(self, target: int, masker: Masker | None, tell: Callable[[bytes], None], most: int) -> None:
        self.error: OSError | None = None
        self._left = most or sys.maxsize
        self._tell = tell
        self._target = os.dup(target)  # the caller may close its own while this still copies
        self._masker = masker
        self._source, self.fd = os.pipe()
        self._thread = threading.Thread(target=self._copy, name="output", daemon=True)
        self._thread.start()

    def close(self, *, ended: bool) -> None:
        """Write what is left; where the command may still be running, do not wait for that."""
        os.close(self.fd)
        if ended:
            self._thread.join()

    def _copy(self) -> None:
        while data := os.read(self._source, _PIECE):
            self._write(self._masker.feed(data) if self._masker else data)
        if self._masker:
            self._write(self._masker.finish())
        os.close(self._source)
        os.close(self._target)

    def _write(self, data: bytes) -> None:
        """Write, or note that it failed and go on: the command must not wait for a full pipe."""
        data = data[: self._left]
        self._left -= len(data)
        if self.error is None:
            try:
                write_all(self._target, data)
            except OSError as error:
                self.error = error
        self._tell(data)
