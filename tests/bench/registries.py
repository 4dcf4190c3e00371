"""Images to and from a docker-registry on this machine, beside skopeo."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.bench.timing import HERMES, Command, Row, median, pair
from tests.registry.servers import Registry, Wire, docker_registry

_LAYERS = 10
_SKOPEO = ("skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", "--src-tls-verify=false")


def cases(folder: Path, large: int, rounds: int) -> Iterator[Row]:
    """Yield the figures for an image of ``large`` bytes in ten layers, and for a base of twice as many."""
    for name in ("docker-registry", "skopeo"):
        if shutil.which(name) is None:
            raise LookupError(f"{name} is not installed")
    root = folder / "images"
    _write_images(root, large)
    env = {"HERMES_HOME": str(folder / "home"), "REGISTRY_AUTH_FILE": str(folder / "auth.json")}
    (folder / "auth.json").write_text('{"auths": {}}')
    Command([*HERMES, "build", "-q", "//:image"], root, env).measure()
    with docker_registry(folder / "registry") as registry:
        yield from _pushes(registry, root, env, rounds)
        yield from _pulls(registry, folder, env, rounds)
        Command([*HERMES, "push", "-q", "//:base", f"docker://{registry.host}/base:v"], root, env).measure()
        yield _lazy(registry, folder)


def _write_images(root: Path, large: int) -> None:
    root.mkdir()
    (root / "hermes.yaml").touch()
    for number in range(_LAYERS):
        with open(root / f"f{number}", "wb") as file:
            file.writelines(os.urandom(1 << 20) for _ in range(max(1, large // _LAYERS >> 20)))
    (root / "BUILD").write_text(
        f"[files_layer(name='l%d' % n, files={{'/srv/f%d' % n: 'f%d' % n}}) for n in range({_LAYERS})]\n"
        f"image(name='image', layers=[':l%d' % n for n in range({_LAYERS})])\n"
        "files_layer(name='large', files={'/srv/more': 'more'})\n"
        "image(name='base', base=':image', layers=[':large'])\n"
    )
    with open(root / "more", "wb") as file:
        file.writelines(os.urandom(1 << 20) for _ in range(large >> 20))


def _pushes(registry: Registry, root: Path, env: dict[str, str], rounds: int) -> Iterator[Row]:
    def clear() -> None:
        shutil.rmtree(registry.folder / "data", ignore_errors=True)
        shutil.rmtree(Path(env["HERMES_HOME"]) / "places", ignore_errors=True)

    ours = [*HERMES, "push", "-q", "//:image", f"docker://{registry.host}/ours:v"]
    theirs = [*_SKOPEO, "oci:hermes-out/image", f"docker://{registry.host}/theirs:v"]
    first = pair(Command(ours, root, env, clear), Command(theirs, root, env, clear), rounds)
    yield Row("push 10 layers", first[0].wall, first[1] and first[1].wall, 1.0)
    Command(ours, root, env).measure()
    yield Row("push with nothing new", median(Command(ours, root, env), rounds).wall, None, 0.1)


def _pulls(registry: Registry, folder: Path, env: dict[str, str], rounds: int) -> Iterator[Row]:
    source, places = f"docker://{registry.host}/ours:v", (folder / "pulled", folder / "copied")

    def clear() -> None:
        for place in places:
            shutil.rmtree(place, ignore_errors=True)

    own = {**env, "HERMES_HOME": str(places[0])}
    ours = Command([*HERMES, "pull", "-q", source], folder, own, clear)
    theirs = Command([*_SKOPEO, source, f"oci:{places[1]}:v"], folder, env, clear)
    pulled = pair(ours, theirs, rounds)
    yield Row("pull 10 layers", pulled[0].wall, pulled[1] and pulled[1].wall, 1.0)


def _lazy(registry: Registry, folder: Path) -> Row:
    """Count what crosses for a small layer on the image, pushed to where that is."""
    root = folder / "lazy"
    root.mkdir()
    wire = Wire(registry.host)
    (root / "hermes.yaml").touch()
    (root / "x").write_text("x")
    (root / "BUILD").write_text(
        f"image_pull(name='base', ref='{wire.host}/base:v')\n"
        "files_layer(name='l', files={'/x': 'x'})\nimage(name='image', base=':base', layers=[':l'])\n"
    )
    env = {"HERMES_HOME": str(folder / "home2"), "REGISTRY_AUTH_FILE": str(folder / "auth.json")}
    # The lock is made once, elsewhere: it reads the layers, to note which folders of the base matter.
    Command([*HERMES, "lock", "-q"], root, {**env, "HERMES_HOME": str(folder / "home3")}).measure()
    locked = wire.up + wire.down
    median(Command([*HERMES, "push", "-q", "//:image", f"docker://{wire.host}/lazy:v"], root, env), 1)
    wire.close()
    return Row(
        "a small layer on a large base, all that crosses",
        (wire.up + wire.down - locked) / 1000,
        None,
        100,
        "kB",
    )
