"""``hermes cache``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

import click

from hermes.api.collecting import forget_lost
from hermes.container.held import held
from hermes.container.removal import Remover
from hermes.errors import CommandFailed, UsageError
from hermes.sandbox.namespace import Namespace
from hermes.sizes import size as shown
from hermes.store import Store, gc

_SIZE: Final = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)\s*([KMGT]?)(?:i?B)?\Z", re.IGNORECASE)
_UNITS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


@click.group("cache")
def command() -> None:
    """Show, shrink, clear or verify the store."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON, in bytes.")
def info(as_json: bool) -> None:
    """Say where the store is and how large it is.

    \b
    hermes cache info --json
    """
    with _opened() as store:
        found = gc.usage(store)
        caches = gc.cache_sizes(store)
        if as_json:
            import json

            kinds = {kind: {"count": count, "size": size} for kind, (count, size) in found.kinds.items()}
            sizes = {name: {"count": count, "size": size} for name, (count, size) in caches.items()}
            document = {"home": str(store.home), "held": found.held, **kinds, "caches": sizes}
            click.echo(json.dumps(document, indent=2))
            return
        click.echo(str(store.home))
        for kind, (count, size) in found.kinds.items():
            click.echo(f"{count:8} {kind + 's':9} {shown(size):>10}")
        click.echo(f"{shown(found.held)} of that are in output folders")
        for name, (_, size) in caches.items():
            click.echo(f"cache {name}: {shown(size)}")


@command.command("gc")
@click.option(
    "--max-size", default="10G", metavar="SIZE", show_default=True, help="How much may stay, as 500M or 10G."
)
def collect(max_size: str) -> None:
    """Remove what was not used for longest.

    What output folders link stays, and what working containers and named images are made of. A build that needs
    something removed makes it again.

    \b
    hermes cache gc --max-size 2G
    """
    most = bytes_of(max_size)
    with _opened() as store:
        namespace = Namespace()
        try:
            remover = Remover(store, namespace)
            remover.sweep()
            found = gc.collect(
                store,
                most,
                remover.remove,
                lambda: held(store),
                lambda: forget_lost(store),
                waiting=cache(lambda: click.echo("waiting for other commands to end", err=True)),
            )
        finally:
            namespace.close()
    click.echo(f"removed {found.removed} items, {shown(found.freed)}; {shown(found.left)} are left")
    if found.linked:
        click.echo(
            f"{shown(found.linked)} more stay: hermes-out links them (remove that folder to free them)"
        )
    if found.held:
        click.echo(
            f"{shown(found.held)} more stay for images and containers: see `hermes images`, `hermes ctr ps`; "
            "`hermes rmi` and `hermes ctr rm` free them"
        )


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def clear(names: tuple[str, ...]) -> None:
    """Empty the caches that commands mount: those of these names, or all.

    \b
    hermes cache clear apt
    """
    with _opened() as store:
        known = gc.cache_sizes(store)
        for name in names:
            if name not in known:
                raise UsageError(
                    f"there is no cache {name!r}",
                    hint=f"there are {', '.join(known)}" if known else "no command has made one yet",
                )
        namespace = Namespace()
        try:
            kept = Remover(store, namespace).clear_caches(names)
        finally:
            namespace.close()
    for name in kept:
        click.echo(f"the cache {name} is in use, and was left alone", err=True)
    freed = sum(
        size for name, (_, size) in known.items() if name not in kept and (not names or name in names)
    )
    click.echo(f"removed {shown(freed)}")
    if kept:
        raise CommandFailed(1)


@command.command()
def verify() -> None:
    """Read and check blobs, tables of contents, trees, results, names and containers.

    Damaged blobs, tables, trees and results are removed; builds make them again.

    \b
    hermes cache verify
    """
    from hermes.api.verifying import verify as damages

    with _opened() as store:
        found = list(damages(store))
    for one in found:
        click.echo(f"{one.what} is damaged: {one.done}")
    if found:
        raise CommandFailed(1)
    click.echo("everything in the store is as it should be")


@contextmanager
def _opened() -> Iterator[Store]:
    store = Store.open()
    try:
        yield store
    finally:
        store.close()


def bytes_of(text: str) -> int:
    match = _SIZE.match(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is not a size", hint="write it as 500M or 10G")
    return int(float(match[1]) * (1 << _UNITS[match[2].upper()]))
