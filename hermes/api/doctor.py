"""What this machine can do for builds, found out by doing it."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hermes.api.findings import FAILED, LIMITED, OK, Finding
from hermes.container import probes
from hermes.debian.keyring import machine_keyring
from hermes.debian.sources import machine_sources
from hermes.errors import HermesError
from hermes.image.platform import Platform
from hermes.sandbox import choice
from hermes.sandbox.choice import RUNTIMES
from hermes.sandbox.namespace import Namespace
from hermes.store import Store
from hermes.version import __version__

if TYPE_CHECKING:
    from hermes.remote.settings import RemoteChoice

_USER_NAMESPACES: Final = "/proc/sys/user/max_user_namespaces"


def examine(home: Path, remote: RemoteChoice | None = None) -> Iterator[Finding]:
    """Try what builds need, in the order in which they need it; then the services that ``remote`` or hermes.yaml name."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    yield Finding("hermes", OK, f"{__version__}, {python}, {platform.machine()}, Linux {platform.release()}")
    try:
        store = Store.open(home)
    except HermesError as error:
        yield _failed("store", error)
        return
    namespace = Namespace()
    try:
        yield _store(store)
        yield from _sandbox(store, namespace)
    finally:
        namespace.close()
        store.close()
    yield _debian()
    yield _outbound(home)
    yield from _remote(home, remote)


def _remote(home: Path, remote: RemoteChoice | None) -> Iterator[Finding]:
    from hermes.naming.registries import remote_of

    settings = remote_of(None, home, remote)
    if settings is not None:
        from hermes.api.doctor_remote import examine_remote

        yield from examine_remote(settings)


def _store(store: Store) -> Finding:
    free = shutil.disk_usage(store.home).free
    detail = f"{store.home}, {free >> 30} GiB free"
    if free < 1 << 30:
        return Finding(
            "store", LIMITED, detail, "free some space, or put the store elsewhere with HERMES_HOME"
        )
    return Finding("store", OK, detail)


def _sandbox(store: Store, namespace: Namespace) -> Iterator[Finding]:
    yield _subordinate_ids(namespace)
    yield _tried("overlay", lambda: probes.try_overlay(store, namespace))
    yield _tried("bubblewrap", lambda: probes.try_sandbox(choice.BWRAP, namespace))
    yield _network(store, namespace)
    for name in RUNTIMES:
        yield _runtime(namespace, name)
    yield _emulators(store, namespace)


def _emulators(store: Store, namespace: Namespace) -> Finding:
    from hermes.sandbox.emulators import emulated

    own = Platform.host().architecture
    found = emulated({})
    if not found:
        hint = "to run commands of others, install qemu-user-static (Debian's name), or name emulators in hermes.yaml"
        return Finding("platforms", LIMITED, f"commands for {own} alone: no emulator is installed", hint)
    if not emulated({}, is_registered=True):
        try:
            probes.try_emulators(store, namespace)
        except HermesError as error:
            return Finding(
                "platforms", LIMITED, f"commands for {own} alone: {error.message}", error.hint or ""
            )
    return Finding("platforms", OK, f"{own}; by emulators: {', '.join(found)}")


def _network(store: Store, namespace: Namespace) -> Finding:
    found = _tried("network", lambda: probes.try_network(store, namespace))
    if found.state == FAILED:
        detail = f"commands with a network share this machine's: {found.detail}"
        return found._replace(state=LIMITED, detail=detail)
    return found


def _subordinate_ids(namespace: Namespace) -> Finding:
    ids = namespace.map
    if os.geteuid() == 0:
        return Finding("user namespace", OK, "root: every id is itself")
    if ids.whole:
        count = sum(one.count for one in ids.uids)
        return Finding(
            "user namespace", OK, f"{count} user ids and {sum(one.count for one in ids.gids)} group ids"
        )
    missing = [tool for tool in ("newuidmap", "newgidmap") if not shutil.which(tool)]
    hint = (
        f"install {' and '.join(missing)} (Debian: the package uidmap)"
        if missing
        else "give this user ranges: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER"
    )
    return Finding("user namespace", LIMITED, "one id only: what changes owners cannot work", hint)


def _tried(name: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(name, OK, attempt())
    except HermesError as error:
        return _failed(name, error)


def _failed(name: str, error: HermesError) -> Finding:
    hint = error.hint or ""
    if not hint and _namespaces_allowed() == 0:
        hint = "allow user namespaces: sysctl user.max_user_namespaces=10000"
    return Finding(name, FAILED, error.message, hint)


def _namespaces_allowed() -> int:
    try:
        return int(Path(_USER_NAMESPACES).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return -1


def _runtime(namespace: Namespace, name: str) -> Finding:
    try:
        choice.located(name)
    except HermesError:
        return Finding(name, OK, f"not installed; only --runtime {name} needs it")
    found = _tried(name, lambda: probes.try_sandbox(name, namespace))
    return found._replace(state=LIMITED) if found.state == FAILED else found


def _outbound(home: Path) -> Finding:
    """Return which proxies and authorities there are, and which of them commands with a network get."""
    from hermes.download import shown
    from hermes.naming.registries import settings_of
    from hermes.outbound import count, proxies_of, system_bundle

    name = "way out"
    bundle = system_bundle()
    try:
        settings = settings_of(None, home).outbound
        found = settings.ca or bundle
        certificates = f"{count(found)} authorities in {found}" if found else "no file with authorities"
    except HermesError as error:
        return Finding(name, LIMITED, error.message, error.hint or "")
    proxies = {
        key: shown(value) for key, value in proxies_of(os.environ, loopback=True).items() if key.islower()
    }
    through = ", ".join(f"{key}={value}" for key, value in proxies.items()) or "no proxies"
    if proxies and not settings.proxies:
        through += " (not for commands)"
    if settings.ca:
        return Finding(name, OK, f"{through}; {certificates}, for Hermes and commands with a network")
    given = "which commands do not get unless hermes.yaml says outbound: {ca: system}"
    return Finding(name, OK, f"{through}; {certificates}{f', {given}' if found else ''}")


def _debian() -> Finding:
    hint = "name sources under apt.sources in hermes.yaml; only apt_layer needs them"
    try:
        sources, keyring = machine_sources(), machine_keyring()
    except HermesError as error:
        return Finding("Debian packages", LIMITED, error.message, error.hint or hint)
    if not sources:
        return Finding("Debian packages", LIMITED, "this machine's apt has no sources", hint)
    keys = f"{len(keyring.certs)} keys" if keyring else "no keyring: signatures cannot be verified"
    return Finding("Debian packages", OK if keyring else LIMITED, f"{len(sources)} sources of apt, {keys}")
