"""Which option of ``hermes run`` helps a program that was refused something and ended with an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from hermes.api.run_options import RunOptions

_READ_ONLY: Final = re.compile(r"read-only file system", re.IGNORECASE)
_REFUSED: Final = re.compile(r"operation not permitted|permission denied", re.IGNORECASE)
_PRIVILEGED: Final = re.compile(
    r"set(?:res|re|e)?[ug]ids?\b|setgroups|initgroups|chown|chroot|capabilit", re.IGNORECASE
)
_BOUND: Final = re.compile(r"bind|listen", re.IGNORECASE)
_NO_NETWORK: Final = re.compile(
    r"network is unreachable|temporary failure in name resolution|name or service not known|could not resolve|bad address",
    re.IGNORECASE,
)


def advice_on_output(said: str, options: RunOptions) -> str:
    """Return what may help a program that failed and ``said`` this last, or nothing."""
    lines = said.splitlines()
    if not options.writable and any(map(_READ_ONLY.search, lines)):
        if options.profile == "strict":
            return "its root is read-only: --profile server lets it write below /run, /var and volumes, --rw everywhere"
        return "its root is read-only but for /run, /var and volumes: --rw lets it write everywhere"
    refused = [line for line in lines if _REFUSED.search(line)]
    if options.network == "host" and any(map(_BOUND.search, refused)):
        return "only root of this machine binds its ports below 1024: publish a port instead of --network host, as -p 8080:80"
    if not options.granted and any(map(_PRIVILEGED.search, refused)):
        return "it has no capabilities: --profile server gives it those of docker's containers, --cap-add one"
    if options.network == "none" and any(map(_NO_NETWORK.search, lines)):
        return "it has no network: --network default gives it one"
    return ""


def advice_on_image(config: Mapping[str, Any], options: RunOptions) -> str:
    """Return what may help a program that failed, by what its image's configuration declares, or nothing."""
    declares = config.get("ExposedPorts") or config.get("Volumes")
    if declares and options.profile == "strict" and not options.writable and not options.granted:
        return (
            "its root is read-only and it has no capabilities; "
            "--profile server gives it what servers need, as its image seems to be one"
        )
    return ""
