"""What calls in the user namespace work in."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from hermes.container.inside.scratch import store_at
from hermes.errors import StoreError
from hermes.store import Store


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "no space left for"), (errno.EROFS, "no permission to write")]
)
def test_an_error_that_names_no_file_names_the_store(store: Store, number: int, said: str) -> None:
    """As one of write(2) does: what calls the function knows only its module."""
    home = str(store.home)
    with pytest.raises(StoreError, match=f"{said} {home}"), store_at(home):
        raise OSError(number, os.strerror(number))


def test_an_error_that_names_a_file_names_that(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=str(tmp_path / "none")), store_at(str(store.home)):
        (tmp_path / "none").read_bytes()
