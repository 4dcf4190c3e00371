"""Addresses of files to fetch: URLs, and those that name no host, for which each machine knows where to ask."""

from __future__ import annotations

import re
from typing import Final

from hermes.dsl.dialect.values import EvalError, show

_FORMS: Final = {
    "apt:": ("a path below the Debian mirrors", 'as "apt:pool/main/h/hello/hello_2.10-3_amd64.deb"'),
    "npm:": ("a package of an npm registry", 'as "npm:left-pad@1.3.0"'),
    "pypi:": ("a file of a Python package index", 'as "pypi:six/six-1.16.0-py2.py3-none-any.whl"'),
}
_URL: Final = ("http://", "https://", "file://")
_APART: Final = re.compile(r"[-_.]+")


def checked_address(address: str) -> str:
    """Return an address as `hermes.actions.fetch` takes it; raises `EvalError`."""
    if address.startswith(_URL):
        return address
    scheme, _, rest = address.partition(":")
    if f"{scheme}:" not in _FORMS:
        raise EvalError(
            f"{show(address)} is not an address that can be fetched",
            "write https://, http:// or file://, or apt:, npm: or pypi: and what this machine finds there",
            attribute="urls",
        )
    parts = rest.split("/")
    if scheme == "apt":
        is_valid = all(part not in ("", ".", "..") for part in parts)
    elif scheme == "pypi":
        is_valid = len(parts) == 2 and all(parts)
    else:
        is_valid = "://" in rest or (not rest.startswith("/") and rest.rfind("@") > 0 and rest[-1] != "@")
    if not is_valid:
        what, example = _FORMS[f"{scheme}:"]
        raise EvalError(f"{show(address)} does not name {what}", f"write it {example}", attribute="urls")
    if scheme == "pypi":  # indexes know a project by its normalized name (PEP 503)
        return f"pypi:{_APART.sub('-', parts[0]).lower()}/{parts[1]}"
    return address
