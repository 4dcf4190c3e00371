"""The cases, each a function of a scratch folder that yields the figures of one comparison."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.peers import Bazel, Buildah, available
from tests.bench.timing import HERMES, Command, Row, median, pair


@dataclass(frozen=True)
class Size:
    """How much work the cases do: all of it, or enough to see that they run."""

    packages: int = 1000
    files: int = 10_000
    large: int = 500 << 20
    rounds: int = 5


FULL = Size()
SMALL = Size(packages=30, files=300, large=20 << 20, rounds=2)


def many_packages(folder: Path, size: Size) -> Iterator[Row]:
    """Many packages of 20 files, a layer and an image each, beside Bazel and a tar for each package."""
    ours, theirs = folder / "ours", folder / "theirs"
    _write_packages(
        ours,
        size.packages,
        "files_layer(name='layer', srcs=glob(['src/**']), dest='/srv')\n"
        "image(name='image', layers=[':layer'])\n",
    )
    _write_packages(
        theirs,
        size.packages,
        "genrule(name='layer', srcs=glob(['src/**']), outs=['layer.tar'],\n    cmd='tar cf $@ $(SRCS)')\n",
    )
    (ours / "hermes.yaml").touch()
    (theirs / "WORKSPACE").touch()
    env = {"HERMES_HOME": str(folder / "home")}
    build = Command([*HERMES, "build", "-q", "//..."], ours, env)
    bazel = Bazel(folder)
    peer = bazel.build(theirs)
    number = iter(range(10_000))

    def edit(root: Path) -> Callable[[], object]:
        return lambda: (root / "g0/p3/src/f1.txt").write_text(f"edit {next(number)}\n" * 10)

    try:
        first, first_peer = pair(build, peer, 1)
        yield Row("many packages: first build", first.wall, first_peer and first_peer.wall, 0.5)
        pair(build, peer, 2)
        again, again_peer = pair(build, peer, size.rounds)
        yield Row("many packages: nothing changed", again.wall, again_peer and again_peer.wall, 0.5)
        ours_edit, theirs_edit = (Command(one.argv, one.cwd, one.env, edit(one.cwd)) for one in (build, peer))
        edited, edited_peer = pair(ours_edit, theirs_edit, size.rounds)
        yield Row("many packages: one file edited", edited.wall, edited_peer and edited_peer.wall, 1.0)
    finally:
        bazel.stop(theirs)


def _write_packages(root: Path, count: int, build: str) -> None:
    for number in range(count):
        package = root / f"g{number // 50}" / f"p{number}"
        (package / "src").mkdir(parents=True)
        (package / "BUILD").write_text(build)
        for file in range(20):
            (package / f"src/f{file}.txt").write_text(f"{number} {file}\n" * 50)


def small_files(folder: Path, size: Size) -> Iterator[Row]:
    """Many small files as one layer of an OCI layout, beside buildah bud and push."""
    context = folder / "context"
    chance = random.Random(7)
    for number in range(size.files):
        path = context / f"src/d{number % 100}/f{number}.dat"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(3000) + bytes(3000))
    yield from _copied(folder, context, "src", size, first=0.2, again=0.25, name="small files")


def large_file(folder: Path, size: Size) -> Iterator[Row]:
    """One large file that does not compress, beside buildah bud and push."""
    context = folder / "context"
    (context / "src").mkdir(parents=True)
    with open(context / "src/large", "wb") as file:
        file.writelines(os.urandom(1 << 20) for _ in range(size.large >> 20))
    yield from _copied(folder, context, "src", size, first=0.25, again=None, name="large file", memory=200)


def _copied(
    folder: Path,
    context: Path,
    source: str,
    size: Size,
    *,
    first: float,
    again: float | None,
    name: str,
    memory: float | None = None,
) -> Iterator[Row]:
    """Yield the figures of copying ``source`` into an image."""
    (context / "hermes.yaml").touch()
    (context / "BUILD").write_text(
        f"files_layer(name='layer', srcs=glob(['{source}/**']), dest='/srv')\n"
        "image(name='image', layers=[':layer'])\n"
    )
    (context / "Dockerfile").write_text(f"FROM scratch\nCOPY {source} /srv/{source}\n")
    home, out = folder / "home", folder / "pushed"
    env = {"HERMES_HOME": str(home)}
    argv = [*HERMES, "build", "-q", "//:image"]
    fresh = Command(argv, context, env, lambda: _remove(home, context / "hermes-out"))
    buildah = Buildah(folder / "buildah")
    bud = " ".join(buildah.bud(context, "-q", "--layers", "-t", "copied"))
    push = " ".join(buildah.push("copied", f"oci:{out}:latest"))
    both = ["sh", "-ec", f"{bud}; {push}"]
    cleared = Command(both, context, {}, lambda: (buildah.clear(), _remove(out)))
    try:
        rounds = min(size.rounds, 3)
        measured, peer = pair(fresh, cleared, rounds)
        yield Row(f"{name}: first build", measured.wall, peer and peer.wall, first)
        if memory:
            yield Row(f"{name}: memory", measured.memory, None, memory, "MB")
        if again:
            pair(Command(argv, context, env), Command(both, context, {}), 1)
            noop = ["sh", "-ec", bud]
            measured, peer = pair(Command(argv, context, env), Command(noop, context, {}), size.rounds)
            yield Row(f"{name}: nothing changed", measured.wall, peer and peer.wall, again)
    finally:
        buildah.remove()


def commands(folder: Path, size: Size) -> Iterator[Row]:
    """Four trivial commands in a chain on a Debian base, beside four RUN lines of buildah bud."""
    root = _debian(folder)
    context = folder / "context"
    context.mkdir()
    shutil.copy(root, context / "base.tar")
    (context / "hermes.yaml").touch()
    chain = "".join(
        f"run_layer(name='r{number}', base=[':base'] + [':r%d' % n for n in range({number})], cmd='echo {number} > /etc/r{number}')\n"
        for number in range(4)
    )
    (context / "BUILD").write_text(
        f"tar_layer(name='base', src='base.tar')\n{chain}"
        "image(name='image', layers=[':base', ':r0', ':r1', ':r2', ':r3'])\n"
    )
    runs = "".join(f"RUN echo {number} > /etc/r{number}\n" for number in range(4))
    (context / "Dockerfile").write_text(f"FROM base\n{runs}")
    env = {"HERMES_HOME": str(folder / "home")}
    subprocess.run([*HERMES, "build", "-q", "//:base"], cwd=context, env={**os.environ, **env}, check=True)
    number = iter(range(10_000))

    def change() -> None:
        """Make all four commands new; the base stays."""
        text = (context / "BUILD").read_text()
        (context / "BUILD").write_text(text.split("# ")[0] + f"# {next(number)}\n")
        stamp = next(number)
        lines = [
            f"run_layer(name='r{n}', base=[':base'] + [':r%d' % m for m in range({n})], "
            f"cmd='echo {stamp}-{n} > /etc/r{n}')\n"
            for n in range(4)
        ]
        (context / "BUILD").write_text(
            "tar_layer(name='base', src='base.tar')\n"
            + "".join(lines)
            + "image(name='image', layers=[':base', ':r0', ':r1', ':r2', ':r3'])\n"
        )

    buildah = Buildah(folder / "buildah")
    try:
        done = subprocess.run(
            buildah.argv("from", "--name", "making", "scratch"), check=True, capture_output=True
        )
        del done
        subprocess.run(buildah.argv("add", "making", str(root), "/"), check=True, capture_output=True)
        subprocess.run(buildah.argv("commit", "making", "base"), check=True, capture_output=True)
        ours = Command([*HERMES, "build", "-q", "//:r3"], context, env, change)
        peer = Command(buildah.bud(context, "-q", "--layers", "--no-cache", "--pull-never"), context, {})
        ours.measure()
        measured, other = pair(ours, peer, size.rounds)
        yield Row("four commands on Debian", measured.wall, other and other.wall, 0.4)
    finally:
        buildah.remove()


def containers(folder: Path, size: Size) -> Iterator[Row]:
    """A container of Debian, a trivial command in it, and its commit, beside buildah's three commands."""
    root = _debian(folder)
    shutil.copy(root, folder / "base.tar")
    (folder / "hermes.yaml").touch()
    (folder / "BUILD").write_text(
        "tar_layer(name='base', src='base.tar')\nimage(name='image', layers=[':base'])\n"
    )
    env = {"HERMES_HOME": str(folder / "home")}
    hermes = " ".join(HERMES)

    def prepare(*arguments: str) -> None:
        subprocess.run(
            [*HERMES, *arguments], cwd=folder, env={**os.environ, **env}, check=True, capture_output=True
        )

    prepare("ctr", "from", "--name", "kept", "//:image")
    prepare("ctr", "commit", "kept", "base")
    steps = f"c=$({hermes} ctr from base); {hermes} ctr run $c -- true; {hermes} ctr commit -q $c done"
    buildah = Buildah(folder / "buildah")
    try:
        for arguments in (
            ["from", "--name", "made", "scratch"],
            ["add", "made", str(root), "/"],
            ["commit", "made", "base"],
        ):
            subprocess.run(buildah.argv(*arguments), check=True, capture_output=True)
        b = " ".join(buildah.argv())
        policy = f"--signature-policy={buildah.folder}/policy.json"
        theirs = f"c=$({b} from --pull-never {policy} base); {b} run --isolation=chroot $c -- true; {b} commit -q {policy} $c done"
        ours, peer = Command(["sh", "-ec", steps], folder, env), Command(["sh", "-ec", theirs], folder, {})
        ours.measure()
        measured, other = pair(ours, peer, size.rounds)
        yield Row("from, run true, commit on Debian", measured.wall, other and other.wall, 0.8)
    finally:
        buildah.remove()
    inside = "from hermes import Containers; c = Containers(); import time, sys; n = 'kept'; c.run(n, ['true']); t = time.monotonic()"
    program = f"{inside}; c.run(n, ['true']); print(time.monotonic() - t)"
    rounds = [
        float(
            subprocess.run(
                [HERMES[0], "-c", program],
                cwd=folder,
                env={**os.environ, **env},
                check=True,
                capture_output=True,
            ).stdout
        )
        for _ in range(size.rounds)
    ]
    yield Row("a trivial command in a container", 1000 * sorted(rounds)[len(rounds) // 2], None, 60, "ms")
    prepare("ctr", "rm", "--all")


def commits(folder: Path, size: Size) -> Iterator[Row]:
    """The commit of one changed file on a base of many files, beside one on a tenth of them."""
    env = {"HERMES_HOME": str(folder / "home")}
    hermes = " ".join(HERMES)
    times = {}
    (folder / "hermes.yaml").touch()
    commands = {}
    for count in (size.files, 10 * size.files):
        package = folder / f"p{count}"
        for number in range(count):
            path = package / f"src/d{number % 100}/f{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        shutil.copy("/bin/busybox", package / "busybox")
        (package / "BUILD").write_text(
            "files_layer(name='l', srcs=glob(['src/**']), dest='/srv', files={'/bin/sh': 'busybox'})\nimage(name='image', layers=[':l'])\n"
        )
        made = f"{hermes} ctr from --name c{count} //p{count}:image"
        subprocess.run(
            ["sh", "-ec", made], cwd=folder, env={**os.environ, **env}, check=True, capture_output=True
        )
        number = iter(range(10_000))

        def change(name: str = f"c{count}", number: Iterator[int] = number) -> None:
            command = f"{hermes} ctr run {name} -- sh -c 'echo {next(number)} > /srv/src/d1/f1'"
            subprocess.run(["sh", "-ec", command], cwd=folder, env={**os.environ, **env}, check=True)

        commands[count] = Command([*HERMES, "ctr", "commit", "-q", f"c{count}"], folder, env, change)
    few, many = commands.values()
    few.measure(), many.measure()
    times = pair(many, few, size.rounds)
    yield Row("commit on ten times the files", times[0].wall, times[1] and times[1].wall, 1.3)
    subprocess.run(
        [*HERMES, "ctr", "rm", "--all"],
        cwd=folder,
        env={**os.environ, **env},
        check=True,
        capture_output=True,
    )


def _debian(folder: Path, *packages: str) -> Path:
    """Return a minimal Debian with more packages as a tar, made by debootstrap from the machine's own mirror."""
    if not available("debootstrap"):
        raise LookupError("debootstrap is not installed")
    root, tar = folder / "debian", folder / "debian.tar"
    release = subprocess.run(
        ["sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME"], capture_output=True, text=True, check=True
    )
    from hermes.debian.sources import machine_sources

    source = machine_sources()[0]
    more = [f"--include={','.join(packages)}"] if packages else []
    subprocess.run(
        ["debootstrap", "--variant=minbase", *more, release.stdout.strip(), str(root), source.uri],
        check=True,
        capture_output=True,
    )
    subprocess.run(["tar", "-C", str(root), "--exclude=./dev/*", "-cf", str(tar), "."], check=True)
    shutil.rmtree(root, ignore_errors=True)
    return tar


def side_by_side(folder: Path, size: Size) -> Iterator[Row]:
    """Four commands of a second each, at once."""
    _busybox_workspace(
        folder,
        "".join(
            f"run_layer(name='r{n}', base=':base', cmd='sleep 1; echo {n} > /etc/r{n}')\n" for n in range(4)
        ),
    )
    home = folder / "home"
    argv = [*HERMES, "build", "-q", "-j", "4", "//:r0", "//:r1", "//:r2", "//:r3"]
    fresh = Command(argv, folder, {"HERMES_HOME": str(home)}, lambda: _remove(home, folder / "hermes-out"))
    yield Row("four commands of a second at once", median(fresh, min(size.rounds, 3)).wall, None, 1.5)


def start_up(folder: Path, size: Size) -> Iterator[Row]:
    """The processor time of --help and of a build with nothing to do."""
    _busybox_workspace(folder, "image(name='image', layers=[':base'])\n")
    env = {"HERMES_HOME": str(folder / "home")}
    shown = median(Command([*HERMES, "--help"], folder, env), size.rounds)
    yield Row("hermes --help", shown.cpu * 1000, None, 150, "ms CPU")
    build = Command([*HERMES, "build", "-q", "//:image"], folder, env)
    median(build, 2)
    yield Row("nothing to do for one image", median(build, size.rounds).cpu * 1000, None, 200, "ms CPU")


def _busybox_workspace(folder: Path, rules: str) -> None:
    busybox = Path("/bin/busybox")
    if not busybox.exists():
        raise LookupError("busybox-static is not installed")
    shutil.copy(busybox, folder / "busybox")
    (folder / "hermes.yaml").touch()
    links = ", ".join(f"'/bin/{name}': 'busybox'" for name in ("sh", "sleep", "true"))
    (folder / "BUILD").write_text(
        f"files_layer(name='base', files={{'/bin/busybox': 'busybox'}}, symlinks={{{links}}}, dirs=['/etc'])\n{rules}"
    )


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def registries(folder: Path, size: Size) -> Iterator[Row]:
    """Push, push again, pull, and build on a base that stays where it is, beside skopeo."""
    from tests.bench.registries import cases

    yield from cases(folder, size.large, size.rounds)


def dockerfiles(folder: Path, size: Size) -> Iterator[Row]:
    """Dockerfiles, beside BuildKit and buildah."""
    from tests.bench.dockerfiles import cases

    yield from cases(folder, size.files, size.large, size.rounds)


def monorepo(folder: Path, size: Size) -> Iterator[Row]:
    """Ten times as many packages, which depend on each other: what an edit costs."""
    from tests.bench.monorepo import cases

    yield from cases(folder, size.packages * 10, min(size.rounds, 3))


def wheels(folder: Path, size: Size) -> Iterator[Row]:
    """Python wheels, beside uv, tar and zstd."""
    from tests.bench.wheels import cases

    yield from cases(folder, size.rounds, all_of_them=size is FULL)


def python_images(folder: Path, size: Size) -> Iterator[Row]:
    """A service in Python with the same wheels, beside BuildKit."""
    from tests.bench.python_images import cases

    base = _debian(folder, "python3", "python3-pip")
    yield from cases(folder, base, min(size.rounds, 3), all_of_them=size is FULL)


def debian_packages(folder: Path, size: Size) -> Iterator[Row]:
    """Debian packages, beside mmdebstrap."""
    from tests.bench.debian_packages import cases

    yield from cases(folder, min(size.rounds, 3))


def compose(folder: Path, size: Size) -> Iterator[Row]:
    """A compose file, beside docker compose."""
    from tests.bench.compose import cases

    yield from cases(folder, size.rounds)


def npm_packages(folder: Path, size: Size) -> Iterator[Row]:
    """npm packages, beside npm."""
    from tests.bench.npm_packages import cases

    yield from cases(folder, min(size.rounds, 3), all_of_them=size is FULL)


def s2i(folder: Path, size: Size) -> Iterator[Row]:
    """Source-to-Image, beside buildah."""
    from tests.bench.s2i import cases

    yield from cases(folder, _debian(folder, "python3-minimal"), size.rounds)


def playbooks(folder: Path, size: Size) -> Iterator[Row]:
    """Playbooks in working containers, beside the buildah plugin."""
    from tests.bench.playbooks import cases

    yield from cases(folder, _debian(folder, "python3"), min(size.rounds, 3))


def remote(folder: Path, size: Size) -> Iterator[Row]:
    """A remote cache and workers: BuildGrid on this machine, beside builds without."""
    from tests.bench.remote import cases

    yield from cases(folder, 170 << 20 if size is FULL else size.large, size.packages, size.rounds)


CASES: Mapping[str, Callable[[Path, Size], Iterator[Row]]] = {
    "start-up": start_up,
    "side-by-side": side_by_side,
    "many-packages": many_packages,
    "monorepo": monorepo,
    "small-files": small_files,
    "large-file": large_file,
    "commands": commands,
    "containers": containers,
    "commits": commits,
    "registries": registries,
    "playbooks": playbooks,
    "s2i": s2i,
    "dockerfiles": dockerfiles,
    "compose": compose,
    "npm": npm_packages,
    "remote": remote,
    "wheels": wheels,
    "python-images": python_images,
    "debian-packages": debian_packages,
}
