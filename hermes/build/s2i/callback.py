"""``--callback-url``: a POST when a build is done; see docs/cli.md of s2i, "Callback URL"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from hermes.errors import UsageError

_SECONDS: Final = 30


def check_url(url: str) -> None:
    """Raise `UsageError` for what cannot be posted to."""
    if url and not url.startswith(("http://", "https://")):
        raise UsageError(f"--callback-url {url}: must begin with http:// or https://")


def post(url: str, *, success: bool, labels: Mapping[str, str], warn: Callable[[str], None]) -> None:
    """Tell how a build ended; ``warn`` is told where that cannot be, which changes nothing of the build."""
    import requests

    from hermes.download import shown

    try:
        answer = requests.post(url, json={"success": success, "labels": dict(labels)}, timeout=_SECONDS)
        answer.raise_for_status()
    except requests.RequestException as error:
        warn(f"--callback-url {shown(url)}: {type(error).__name__}")
