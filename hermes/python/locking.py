"""Making a lock: uv resolves, asks the sources that Hermes would, and leaves no name of a host in what it writes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from hermes.download import shown
from hermes.errors import LockError
from hermes.python.package_sources import PackageSources, default_index, machine_sources, uv_default
from hermes.python.pins import checked_sha256
from hermes.python.target import PythonTarget

_MOST_SAID: Final = 30
_UV_LOCK: Final = "uv.lock"
_REGISTRY: Final = re.compile(r'\bregistry = "([^"]+)"')
_FILE: Final = re.compile(r'\{ url = "[^"]*", hash = "(sha256:[0-9a-f]{64})"[^}]*\}')
"""A file in a uv.lock, with its digest; see uv's "Project structure"."""
_QUIET: Final = {"NO_COLOR": "1", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}
_HEAD: Final = "# Made by `hermes lock {}`; run it again instead of editing this.\n"


class LockRequest(NamedTuple):
    """What to resolve: the requirements file or pyproject.toml ``source``, into ``lock``, for the target ``label``.

    Both are paths on this machine. ``update``: versions that the lock has count for nothing. ``sources`` are packages that
    may have no wheel.
    """

    label: str
    source: Path
    lock: Path
    target: PythonTarget
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    update: bool = False


def make_lock(request: LockRequest, sources: PackageSources) -> bytes:
    """Return the text of a lock: a requirements.txt with hashes, a pylock.toml or a uv.lock, by the name of the file.

    Versions stay as they are in the present lock where that is possible. Raises `LockError`.
    """
    if request.lock.name == _UV_LOCK:
        return _uv_lock(request, sources)
    is_toml = request.lock.suffix == ".toml"
    with tempfile.TemporaryDirectory(prefix="hermes-lock-") as folder:
        written = Path(folder, "pylock.toml" if is_toml else "requirements.txt")
        if request.lock.exists() and not request.update:
            shutil.copyfile(request.lock, written)
        _run(request, _arguments(request, written, is_toml), _environment(sources))
        text = written.read_text("utf-8")
    head = _HEAD.format(request.label)
    return f"{head}{''.join(_pylock(tomllib.loads(text), request)) if is_toml else text}".encode()


def _run(request: LockRequest, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [_uv(), *arguments],
        cwd=request.source.parent,
        env={**environment, **_QUIET},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()[-_MOST_SAID:]
        said = "".join(f"\n  {shown_line}" for shown_line in lines)
        raise LockError(f"{request.label}: uv cannot resolve {request.source.name}{said}")


def _uv_lock(request: LockRequest, sources: PackageSources) -> bytes:
    """Have uv write the lock of a project as it does for everybody who works on it; the file itself is as it was afterwards.

    uv asks what it is configured with, or what ``hermes.yaml`` names.
    """
    if request.source.name != "pyproject.toml" or request.source.parent != request.lock.parent:
        raise LockError(
            f"{request.label}: a uv.lock is made from the pyproject.toml beside it, not from {request.source.name}",
            hint='say requirements = "pyproject.toml"',
        )
    before = request.lock.read_bytes() if request.lock.exists() else None
    environment: Mapping[str, str] = os.environ
    indexes, usual = machine_sources(os.environ).indexes, uv_default(os.environ)
    if sources.of_workspace:
        links = (
            one if "://" in one else os.path.relpath(one, request.source.parent) for one in sources.find_links
        )
        environment = _environment(replace(sources, find_links=tuple(links)))
        indexes, usual = sources.indexes, sources.indexes[-1] if sources.indexes else ""
    try:
        _run(request, ["lock", "--quiet", *(["--upgrade"] if request.update else [])], environment)
        made = request.lock.read_text("utf-8")
    finally:
        if before is None:
            request.lock.unlink(missing_ok=True)
        elif request.lock.read_bytes() != before:
            temporary = request.lock.with_name(f".{_UV_LOCK}~")
            temporary.write_bytes(before)
            temporary.replace(request.lock)
    project = "".join(
        path.read_text("utf-8")
        for path in (request.source, request.source.with_name("uv.toml"))
        if path.exists()
    )
    known = (before or b"").decode("utf-8")
    own = [
        one for one in indexes if _host(one) not in ("", _host(default_index())) and _host(one) not in project
    ]
    if usual in own:
        made = _as_before(made, known, usual, project)
    for host in map(_host, own):
        if host in made and host not in known:
            raise LockError(
                f"{request.label}: uv.lock would name {host}, an index of this machine that the project does not name",
                hint="name it in [[tool.uv.index]] of pyproject.toml, or run this where uv has no index of its own; a "
                "pylock.toml or requirements.txt names no index",
            )
    return made.encode()


def _as_before(made: str, before: str, index: str, project: str) -> str:
    """Return a uv.lock in which an index that stands for the usual one has the name that the lock had before, or the usual one's.

    Each package names its index, and each file its address: those that the lock had keep it. What is new has the address that the
    index gives.
    """
    known = {one[1]: one[0] for one in _FILE.finditer(before)}
    named = next(
        (one[1] for one in _REGISTRY.finditer(before) if _host(one[1]) not in project), default_index()
    )
    address = shown(index).rstrip("/")
    text = _FILE.sub(lambda found: known.get(found[1], found[0]), made)
    return _REGISTRY.sub(
        lambda found: f'registry = "{named}"' if found[1].rstrip("/") == address else found[0], text
    )


def _host(address: str) -> str:
    return urlsplit(address).netloc.rpartition("@")[2]


def _uv() -> str:
    try:
        from uv import find_uv_bin

        return os.fspath(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise LockError(
            "uv, which resolves Python packages, is not installed",
            hint="install it with `pip install hermes-build[uv]`",
        )
    return found


def _arguments(request: LockRequest, written: Path, is_toml: bool) -> list[str]:
    found = ["pip", "compile", "--quiet", "--universal", "--python", sys.executable]
    found += [
        "--python-version",
        request.target.python,
        "--no-header",
        "--no-emit-index-url",
        "--no-emit-find-links",
    ]
    found += ["--format", "pylock.toml"] if is_toml else ["--generate-hashes"]
    found += [] if request.sources else ["--only-binary", ":all:"]
    for extra in request.extras:
        found += ["--extra", extra]
    for group in request.groups:
        found += ["--group", group]
    return [*found, "--output-file", str(written), "--", request.source.name]


def _environment(sources: PackageSources) -> dict[str, str]:
    """Return the variables of uv: what this machine has, and the sources that Hermes would ask."""
    found = dict(os.environ)
    for name in ("UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX"):
        found.pop(name, None)
    if sources.indexes:
        *others, default = sources.indexes
        found["UV_DEFAULT_INDEX"] = default
        if others:
            found["UV_INDEX"] = " ".join(others)
    else:
        found["UV_NO_INDEX"] = "1"
    if sources.find_links:
        found["UV_FIND_LINKS"] = ",".join(sources.find_links)
    if sources.any_index:
        found.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    if sources.ca:
        found.setdefault("SSL_CERT_FILE", sources.ca)
    return found


def _pylock(document: Mapping[str, Any], request: LockRequest) -> Iterator[str]:
    """Yield a pylock.toml without addresses: files of an index have their names, as paths beside the lock.

    See PEP 751: a file has a URL or a path, and a URL would name a host.
    """
    yield f'lock-version = "1.0"\ncreated-by = "hermes"\nrequires-python = ">={request.target.python}"\n'
    for package in document.get("packages", ()):
        name, version = package["name"], package.get("version", "")
        if "wheels" not in package and "sdist" not in package:
            raise LockError(f"{request.label}: {name} comes from {_origin(package)}, which is not supported")
        yield f"\n[[packages]]\nname = {_text(name)}\nversion = {_text(version)}\n"
        if marker := package.get("marker"):
            yield f"marker = {_text(marker)}\n"
        if request.sources and "sdist" in package:
            yield f"sdist = {_file(package['sdist'])}\n"
        if wheels := package.get("wheels"):
            yield "wheels = [\n"
            for one in wheels:
                yield f"    {_file(one)},\n"
            yield "]\n"


def _origin(package: Mapping[str, Any]) -> str:
    found: Mapping[str, Any] = next(
        (package[one] for one in ("vcs", "archive", "directory") if one in package), {}
    )
    return shown(str(found.get("url") or found.get("path") or "elsewhere"))


def _file(document: Mapping[str, Any]) -> str:
    path = str(document.get("url") or document.get("path"))
    filename = document.get("name") or path.rpartition("/")[2]
    sha256 = checked_sha256(filename, document.get("hashes", {}))
    size = f", size = {document['size']}" if "size" in document else ""
    return (
        f'{{ name = {_text(filename)}, path = {_text(filename)}{size}, hashes = {{ sha256 = "{sha256}" }} }}'
    )


def _text(value: str) -> str:
    """Return a TOML string; names, versions and markers have no control characters."""
    return '"{}"'.format(value.replace("\\", "\\\\").replace('"', '\\"'))
