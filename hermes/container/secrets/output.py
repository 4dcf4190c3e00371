"""What a command prints, with the secrets in it masked before it goes anywhere."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from hermes.container.secrets.masking import Masker
from hermes.errors import HermesError
from hermes.store.blobs import write_all
from hermes.store.io_errors import store_error

_PIECE: Final = 1 << 16


@contextmanager
def masked(stdio: tuple[int, int, int], masker: Callable[[], Masker]) -> Iterator[tuple[int, int, int]]:
    """Give descriptors for a command whose output reaches that of ``stdio`` only through a masker.

    Output and error that are one descriptor stay one stream. At the end everything has been written; raises
    `StoreError` when it could not be written.
    """
    streams = {fd: _Stream(fd, masker()) for fd in dict.fromkeys(stdio[1:])}
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

    def __init__(self, target: int, masker: Masker) -> None:
        self.error: OSError | None = None
        self._target = target
        self._masker = masker
        self._source, self.fd = os.pipe()
        self._thread = threading.Thread(target=self._copy, name="masker", daemon=True)
        self._thread.start()

    def close(self, *, ended: bool) -> None:
        """Write what is left; where the command may still be running, do not wait for that."""
        os.close(self.fd)
        if ended:
            self._thread.join()

    def _copy(self) -> None:
        while data := os.read(self._source, _PIECE):
            self._write(self._masker.feed(data))
        self._write(self._masker.finish())
        os.close(self._source)

    def _write(self, data: bytes) -> None:
        """Write, or note that it failed and go on: the command must not wait for a full pipe."""
        if self.error is None:
            try:
                write_all(self._target, data)
            except OSError as error:
                self.error = error
