"""What the machine lacks is one message, whatever error Python makes of it."""

from __future__ import annotations

import errno
import os
import time

import pytest

from hermes.store.io_errors import is_of_machine, refusal


def test_a_time_that_python_cannot_hold_is_a_wrong_clock() -> None:
    """The error that time.time() raises where a clock is that late."""
    with pytest.raises(OverflowError) as raised:
        time.sleep(1e12)
    assert is_of_machine(raised.value)
    assert refusal(raised.value).message == "the time of this machine is past the year 2262"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
        RuntimeError("can't start new thread"),
        ImportError("libsqlite3.so.0: failed to map segment from shared object"),
    ],
)
def test_what_python_raises_without_memory_is_out_of_memory(error: Exception) -> None:
    assert is_of_machine(error)
    assert refusal(error).message == "out of memory"


def test_a_fault_of_ours_is_none_of_the_machine() -> None:
    for error in (RuntimeError("a fault"), ImportError("no module named x"), OverflowError("int too large")):
        assert not is_of_machine(error)


def test_a_folder_that_is_gone_is_what_no_file_without_a_name_means() -> None:
    gone = "the current folder does not exist any more"
    assert refusal(OSError(errno.ENOENT, "x")).message == gone
    assert refusal(OSError(errno.ENOENT, "not there", "/a")).message == "/a: not there"
    assert refusal(OSError(errno.EIO, "a fault")).message == "a fault"
    assert refusal(OSError(errno.EMFILE, "x", "/a")).message == "/a: too many open files"
