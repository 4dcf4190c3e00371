"""What a registry answers: bodies read within bounds, what they say of a failure, and when a connection gave up.

It knows HTTP and the errors of the distribution specification; it does not know who asks, nor whether to ask again.
"""

from __future__ import annotations

import contextlib
import email.utils
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from hermes.digest import read_json
from hermes.errors import RegistryError
from hermes.sizes import whole_number

if TYPE_CHECKING:
    import requests

STALLS: Final = 2
"""How many stalled attempts are made before it is given up."""
LARGEST_ANSWER: Final = 1 << 20
"""How many bytes are read of an answer other than a blob or manifest."""
_BLOCK: Final = 1 << 18
SHOWN: Final = 300


class Cut(Exception):
    """The connection ended or stalled before the answer did; it may help to try again."""


class Stalled(Cut):
    """Next to nothing came for so long that it was given up; see `hermes.registry.pace`."""


class NotThere(Exception):
    """The registry has no such thing (404)."""


class Refused(Exception):
    """The registry understood, and will not (a status that the caller did not expect)."""

    def __init__(self, status: int, error: RegistryError) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error


def read_document(answer: requests.Response, limit: int, what: str) -> bytes:
    """Return the body of an answer; raises `RegistryError` beyond ``limit`` bytes, `Cut` when it is not whole."""
    data = body_of(answer, limit)
    if data is None:
        raise RegistryError(
            f"{what} has more than {limit >> 20} MiB", hint="it is not an image, or a hostile one"
        )
    return data


def parse_document(data: bytes, answer: requests.Response, what: str) -> Any:
    """Return a JSON document; raises `RegistryError` that says what it is instead."""
    try:
        return read_json(data)
    except ValueError:
        kind = answer.headers.get("Content-Type", "").partition(";")[0] or "something"
        raise RegistryError(
            f"{what}: the answer is {kind}, not JSON",
            hint="is this the address of a registry? a proxy or a login page may be in between",
        ) from None


def pieces(answer: requests.Response, size: int, *, decoded: bool = False) -> Iterator[bytes]:
    """Yield the body of an answer as it comes, in pieces of ``size`` bytes; raises `Cut`.

    ``decoded``: without the encoding that some proxies give it, though none was asked for.
    """
    import urllib3

    from hermes.registry import pace

    while True:
        try:
            data = answer.raw.read(size, decode_content=decoded)
        except (urllib3.exceptions.ReadTimeoutError, TimeoutError):
            raise Stalled(stalled(pace.SECONDS)) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Cut(str(error)) from None
        if not data:
            return
        yield data


def body_of(answer: requests.Response, limit: int) -> bytes | None:
    """Return the body of an answer, or None when it has more bytes than ``limit``."""
    declared = answer.headers.get("Content-Length", "")
    if declared.isdecimal() and whole_number(declared, limit) is None and answer.request.method != "HEAD":
        return None
    found = bytearray()
    for data in pieces(answer, 1 << 16, decoded=True):
        found += data
        if len(found) > limit:
            return None
    return bytes(found)


def drain(answer: requests.Response) -> None:
    """Read the rest of a short answer, so that its connection can be used again."""
    declared = answer.headers.get("Content-Length", "0")
    if answer.request.method == "HEAD" or whole_number(declared, _BLOCK - 1) is not None:
        with contextlib.suppress(Cut):
            for _ in pieces(answer, _BLOCK):
                pass


def said_in(answer: requests.Response, data: bytes | None) -> str:
    """Return what an answer says of its status, for a person; see distribution-spec, "Error Codes"."""
    if not data:
        return ""
    try:
        document = read_json(data)
        listed = document.get("errors") or [document]
        parts = []
        for one in listed[:3]:
            code, message = str(one.get("code") or ""), str(one.get("message") or one.get("details") or "")
            parts.append(": ".join(part for part in (code, message) if part))
        text = "; ".join(part for part in parts if part)
    except (ValueError, AttributeError, TypeError):
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        return f" with {kind}, which a registry does not answer with" if kind == "text/html" else ""
    shown = "".join(char if char.isprintable() else " " for char in text)[:SHOWN]
    return f" ({shown})" if shown else ""


def seconds_to_wait(text: str) -> float | None:
    """Return the seconds of a Retry-After header, which may be a date; see RFC 9110, section 10.2.3."""
    if text.strip().isdecimal():
        return float(text)
    try:
        when = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return max(0.0, when.timestamp() - time.time())


def reason_of(error: requests.Timeout, patience: float) -> str:
    """Return what a time-out means; ``patience`` is how many seconds were waited for something to come."""
    import requests

    from hermes.registry import pace

    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {pace.CONNECTING} seconds"
    return stalled(patience)


def stalled(patience: float) -> str:
    return f"next to nothing came for {patience:g} seconds"


def reason_in(error: Exception) -> str:
    """Return what an exception of `requests` comes to, without the addresses that it names."""
    inner = error.args[0] if error.args else None
    parts: tuple[object, ...] = getattr(inner, "args", ())
    if len(parts) == 2 and isinstance(parts[1], Exception):  # urllib3's "Connection aborted."
        inner = getattr(parts[1], "strerror", None) or parts[1]
    reason = str(getattr(inner, "reason", None) or inner or error)
    if "certificate verify failed" in reason:
        return f"its certificate is not trusted ({reason.partition('certificate verify failed: ')[2].partition(' (_ssl')[0]})"
    last = reason.rpartition(": ")[2].strip("'\")>")
    return last + ")" * (last.count("(") - last.count(")")) or type(error).__name__
