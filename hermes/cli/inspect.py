"""``hermes inspect``."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final

import click

from hermes.cli import completion
from hermes.cli.options import image_platform_option
from hermes.cli.registry_access import access_options
from hermes.cli.tables import columns, streamed_columns
from hermes.errors import UsageError
from hermes.images.inspecting import Inspected, inspect, tables
from hermes.layer.entry import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, HARDLINK, SYMLINK, Entry
from hermes.layer.toc import TableOfContents
from hermes.registry.settings import Access
from hermes.sizes import size
from hermes.transports.examining import Image

_BITS: Final = {
    FILE: stat.S_IFREG,
    HARDLINK: stat.S_IFREG,
    SYMLINK: stat.S_IFLNK,
    CHARACTER: stat.S_IFCHR,
    BLOCK: stat.S_IFBLK,
    DIRECTORY: stat.S_IFDIR,
    FIFO: stat.S_IFIFO,
}

_AT_ONCE: Final = 1024


@click.command("inspect")
@click.argument("image", metavar="LABEL|IMAGE|ORIGIN", shell_complete=completion.bases)
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
@click.option("--config", "as_config", is_flag=True, help="Print the image's configuration as JSON.")
@click.option("--raw", is_flag=True, help="Print the manifest or index, byte for byte.")
@click.option("--layers", is_flag=True, help="Print the layers.")
@click.option("--files", is_flag=True, help="Print the tables of contents of the layers.")
@image_platform_option
@access_options
def command(
    image: str,
    as_json: bool,
    as_config: bool,
    raw: bool,
    layers: bool,
    files: bool,
    platform: str,
    access: Access,
) -> None:
    """Say what is known of an image: its platform, settings, layers and files.

    Of an image elsewhere only its documents are read; --files takes its layers into the store.

    \b
    hermes inspect //app:image --layers
    hermes inspect docker-archive:saved.tar --files
    """
    if as_json + as_config + raw > 1 or (raw and (layers or files)) or (as_config and (layers or files)):
        raise UsageError("--json, --config and --raw each print something else", hint="say one of them")
    single = as_config or layers or files
    found = inspect(image, platform=platform, single=single, access=access)
    if raw:
        click.echo(found.raw, nl=False)
    elif as_config:
        click.echo(json.dumps(found.image.config if found.image else {}, indent=2, sort_keys=True))
    elif as_json and files:
        _print(_with_files(found.to_json(), tables(image, platform=platform, access=access)))
    elif as_json:
        click.echo(json.dumps(found.to_json(), indent=2, sort_keys=True).encode("utf-8", "surrogateescape"))
    else:
        if not files:
            for line in _layers(found) if layers else _summary(found):
                click.echo(line)
            return
        for number, table in enumerate(tables(image, platform=platform, access=access)):
            click.echo(f"{'' if not number else chr(10)}layer {table.diff_id}")
            lines = streamed_columns(partial(map, _row, table.entries))
            _print(f"{line}\n" for line in lines)


def _print(pieces: Iterable[str]) -> None:
    """Print pieces of text, of which there may be millions."""
    left = iter(pieces)
    while some := list(islice(left, _AT_ONCE)):
        click.echo("".join(some).encode("utf-8", "surrogateescape"), nl=False)


def _summary(found: Inspected) -> Iterator[str]:
    rows: list[tuple[str, str]] = [("image", found.name)]
    if found.descriptor is not None:
        rows += [("digest", found.descriptor.digest), ("type", found.descriptor.media_type)]
    if found.names:
        rows.append(("names", ", ".join(found.names)))
    if found.image is not None:
        rows += _settings(found.image)
    yield from (line for line in columns(rows) if line)
    if found.images:
        yield ""
        listed = [_image_row(one) for one in found.images]
        yield from columns([("PLATFORM", "DIGEST", "SIZE", "LAYERS"), *listed])
    if found.layers:
        yield ""
        yield from _layers(found)


def _settings(image: Image) -> Iterator[tuple[str, str]]:
    from hermes.image.config import platform_of

    config = image.config.get("config") or {}
    yield "platform", str(platform_of(image.config))
    yield "created", str(image.config.get("created") or "")
    yield "size", size(image.size)
    for field in ("Entrypoint", "Cmd"):
        if config.get(field):
            yield field.lower(), json.dumps(config[field])
    for name, field in (("user", "User"), ("workdir", "WorkingDir"), ("stop signal", "StopSignal")):
        if config.get(field):
            yield name, str(config[field])
    for one in config.get("Env") or ():
        yield "env", one
    for name, field in (("port", "ExposedPorts"), ("volume", "Volumes")):
        for one in sorted(config.get(field) or ()):
            yield name, one
    for name, value in sorted((config.get("Labels") or {}).items()):
        yield "label", f"{name}={value}"
    for name, value in image.manifest.annotations:
        yield "annotation", f"{name}={value}"


def _image_row(image: Image) -> tuple[str, str, str, str]:
    from hermes.image.config import platform_of

    count = len(image.manifest.layers)
    return str(platform_of(image.config)), image.descriptor.digest.short, size(image.size), str(count)


def _layers(found: Inspected) -> Iterator[str]:
    rows = [("LAYER", "DIGEST", "FORM", "SIZE", "MADE BY")]
    for one in found.layers:
        blob = one.blob
        form = blob.media_type.rpartition(".")[2].replace("tar+", "") if blob else ""
        made = " ".join(one.created_by.split())[:60]
        digest, length = (blob.digest.short, size(blob.size)) if blob else ("", "")
        rows.append((one.diff_id.short, digest, form, length, made))
    yield from columns(rows)


def _row(entry: Entry) -> tuple[str, str, str, str]:
    mode = stat.filemode(_BITS.get(entry.type, 0) | entry.mode)
    if entry.type == HARDLINK:
        mode = f"h{mode[1:]}"
    number = "{},{}".format(*entry.device) if entry.type in (CHARACTER, BLOCK) else str(entry.size)
    arrow = {SYMLINK: f" -> {entry.link}", HARDLINK: f" link to /{entry.link}"}.get(entry.type, "")
    return mode, f"{entry.uid}:{entry.gid}", number, f"/{entry.path}{arrow}"


def _with_files(document: dict[str, Any], tables: Sequence[TableOfContents]) -> Iterator[str]:
    """Yield a JSON document in pieces, with the entries of layers as its ``files``."""
    whole = json.dumps({**document, "files": []}, indent=2, sort_keys=True)
    before, found, after = whole.partition('\n  "files": []')
    yield f"{before}{found[:-1]}"
    for number, table in enumerate(tables):
        yield "," if number else ""
        yield "\n    ["
        last = ""
        for entry in table.entries:
            yield f"{last}\n      {_file_json(entry)}"
            last = ","
        yield "\n    ]" if last else "]"
    yield "\n  ]" if tables else "]"
    yield f"{after}\n"


def _file_json(one: Entry) -> str:
    digest = f"sha256:{one.digest}" if one.digest else ""
    return f"""{{
        "digest": "{digest}",
        "gid": {one.gid},
        "link": {json.dumps(one.link)},
        "mode": "{one.mode:04o}",
        "mtime": {one.mtime},
        "path": {json.dumps(f"/{one.path}")},
        "size": {one.size},
        "type": "{one.type}",
        "uid": {one.uid}
      }}"""
