"""Options of buildah, podman and skopeo that say how registries are spoken to: ``--creds`` and its like."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from hermes.errors import UsageError
from hermes.registry.settings import AS_CONFIGURED, Access

if TYPE_CHECKING:
    from hermes.registry.credential import Credential

F = TypeVar("F", bound=Callable[..., Any])

_SIDES: Final = {"src": "The same for the image that is read", "dest": "The same for where it is written"}


class _Alone(click.Option):
    """An option that may stand alone, and takes a value behind = only, as those of podman and skopeo do."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        super().add_to_parser(parser, ctx)
        match = parser._match_long_opt  # noqa: SLF001 - click knows no such option

        def matched(option: str, value: str | None, state: Any) -> None:
            match(option, "true" if value is None and option in self.opts else value, state)

        parser._match_long_opt = matched  # noqa: SLF001


def access_options(function: F) -> F:
    """Add what says how registries are spoken to, as one argument ``access``."""

    @wraps(function)
    def collected(*arguments: Any, **others: Any) -> Any:
        return function(*arguments, access=_taken(others, ""), **others)

    made: F = _added(collected, "")
    return made


def two_sided_access_options(function: F) -> F:
    """Add `access_options`, and skopeo's for each side, as two arguments ``access`` and ``writing``."""

    @wraps(function)
    def collected(*arguments: Any, **others: Any) -> Any:
        both = _taken(others, "")
        reading, writing = (_taken(others, f"{side}-", both) for side in _SIDES)
        return function(*arguments, access=reading, writing=writing, **others)

    made: Any = collected
    for side in reversed(_SIDES):
        made = _added(made, f"{side}-")
    found: F = _added(made, "")
    return found


def _added(function: Any, prefix: str) -> Any:
    """Add the options with a prefix; those of one side are said in one line of help."""
    same = f"{_SIDES[prefix[:-1]]}." if prefix else ""
    for name, settings in (
        (
            f"--{prefix}cert-dir",
            {
                "metavar": "DIR",
                "help": same or "Trust the authorities of DIR/*.crt; show DIR/*.cert with its *.key.",
            },
        ),
        (
            f"--{prefix}tls-verify",
            {
                "metavar": "BOOL",
                "help": same or "false: plain HTTP, and certificates that nobody vouches for.",
            },
        ),
        (
            f"--{prefix}authfile",
            {"metavar": "FILE", "help": same or "Read the credentials of registries from this file."},
        ),
        (
            f"--{prefix}creds",
            {"metavar": "USER[:PASSWORD]", "help": same or "Log in as this user; asks for what is not said."},
        ),
    ):
        kind: dict[str, Any] = dict(settings)
        if name.endswith("tls-verify"):
            kind |= {"type": bool, "cls": _Alone}
        function = click.option(name, default=None, **kind)(function)
    return function


def _taken(values: dict[str, Any], prefix: str, common: Access = AS_CONFIGURED) -> Access:
    """Take the values of the options with a prefix out of a command's, and return what they say; else what is ``common``.

    Raises `UsageError`.
    """
    stem = prefix.replace("-", "_")
    creds, auth_file, verify, folder = (
        values.pop(f"{stem}{name}") for name in ("creds", "authfile", "tls_verify", "cert_dir")
    )
    ca, cert, key = common.ca, common.cert, common.key
    if folder is not None:
        ca, cert, key = _certificates(f"--{prefix}cert-dir", folder)
    return Access(
        common.credential if creds is None else _credential(f"--{prefix}creds", creds),
        common.auth_file if auth_file is None else _file(f"--{prefix}authfile", auth_file),
        common.verify if verify is None else verify,
        ca,
        cert,
        key,
    )


def _credential(option: str, text: str) -> Credential:
    from hermes.registry.credential import Credential

    user, colon, password = text.partition(":")
    if not user:
        raise UsageError(f"{option}: expected USER[:PASSWORD]")
    if not colon:
        password = click.prompt(f"password of {user}", hide_input=True, err=True)
    return Credential(user, password)


def _file(option: str, path: str) -> str:
    if not os.path.isfile(path):
        raise UsageError(f"{option} {path}: there is no such file", hint="log in with docker or podman first")
    return os.path.abspath(path)


def _certificates(option: str, text: str) -> tuple[str, str, str]:
    """Return the file with the authorities of a folder, and its client certificate and key; see containers-certs.d(5).

    Authorities are trusted besides those of this machine.
    """
    folder = Path(text)
    if not folder.is_dir():
        raise UsageError(f"{option} {text}: there is no such folder")
    ca = _bundle(sorted(folder.glob("*.crt")))
    cert = next(iter(sorted(folder.glob("*.cert"))), None)
    keys = sorted(folder.glob("*.key"))
    if cert is None:
        if keys:
            raise UsageError(f"{option}: {keys[0]} has no certificate beside it", hint="add a file *.cert")
        return ca, "", ""
    key = cert.with_suffix(".key")
    if key not in keys:
        raise UsageError(f"{option}: there is no {key}", hint=f"it is the key of {cert.name}")
    return ca, str(cert.absolute()), str(key.absolute())


def _bundle(files: list[Path]) -> str:
    """Return a file with the authorities of several and of this machine, which lasts as long as the command."""
    if not files:
        return ""
    import tempfile

    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    usual = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
    found = [Path(usual)] if os.path.isfile(usual) else []
    bundle = tempfile.NamedTemporaryFile(prefix="hermes-", suffix=".pem")  # noqa: SIM115 - the context closes it
    click.get_current_context().call_on_close(bundle.close)
    for one in (*found, *files):
        bundle.write(one.read_bytes().rstrip() + b"\n")
    bundle.flush()
    return bundle.name
