"""Dockerfiles built by Hermes, by a warm dockerd with BuildKit, and by buildah."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from hermes import DockerfileOptions, Dockerfiles
from tests.bench.peers import Buildah, Docker
from tests.bench.timing import HERMES, Command, Row, median, pair

_COPIES = 20
_SLOW = 2
_BUSYBOX = Path("/bin/busybox")


def cases(folder: Path, files: int, large: int, rounds: int) -> Iterator[Row]:
    """Yield the figures for ``files`` small files, and for one of ``large`` bytes."""
    if not _BUSYBOX.exists():
        raise LookupError("busybox-static is not installed")
    docker, buildah = Docker(folder / "docker"), Buildah(folder / "buildah")
    try:
        ground = _Ground(folder, docker, buildah, rounds)
        yield from ground.small_files(files)
        yield from ground.large_file(large)
        yield from ground.commands()
        yield from ground.stages()
        yield from ground.copies()
    finally:
        docker.stop()
        buildah.remove()


class _Ground:
    def __init__(self, folder: Path, docker: Docker, buildah: Buildah, rounds: int) -> None:
        self._folder = folder
        self._docker = docker
        self._buildah = buildah
        self._rounds = rounds
        self._home = folder / "home"

    def _context(self, name: str, dockerfile: str) -> Path:
        context = self._folder / name
        context.mkdir()
        (context / "Dockerfile").write_text(dockerfile)
        return context

    def _ours(self, context: Path, *options: str) -> Command:
        argv = [*HERMES, "bud", "-q", "--network=none", "-t", "made", *options, str(context)]
        return Command(argv, context, {"HERMES_HOME": str(self._home)})

    def _kit(self, context: Path) -> Command:
        return Command(self._docker.build(context, "-t", "made"), context, self._docker.env)

    def _cold(self, ours: Command, peer: Command, clear: Callable[[], object]) -> tuple[float, float]:
        """Measure both with nothing built before."""

        def forget() -> None:
            shutil.rmtree(self._home, ignore_errors=True)

        found, other = pair(replace(ours, before=forget), replace(peer, before=clear), min(self._rounds, 3))
        assert other is not None
        return found.wall, other.wall

    def _warm(self, ours: Command, peer: Command) -> tuple[float, float]:
        pair(ours, peer, 2)
        found, other = pair(ours, peer, self._rounds)
        assert other is not None
        return found.wall, other.wall

    def small_files(self, count: int) -> Iterator[Row]:
        context = self._context("small", "FROM scratch\nCOPY src /srv/src\n")
        chance = random.Random(7)
        for number in range(count):
            path = context / f"src/d{number % 100}/f{number}.dat"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(chance.randbytes(3000) + bytes(3000))
        ours, kit = self._ours(context), self._kit(context)
        buildah = Command(self._buildah.bud(context, "-q", "--layers", "-t", "made"), context, {})
        yield Row("COPY of small files, beside BuildKit", *self._cold(ours, kit, self._docker.clear), 0.5)
        yield Row("COPY of small files, beside buildah", *self._cold(ours, buildah, self._buildah.clear), 0.2)
        yield Row("COPY of small files again, beside BuildKit", *self._warm(ours, kit), 1.0)
        yield Row("COPY of small files again, beside buildah", *self._warm(ours, buildah), 1.0)

    def large_file(self, large: int) -> Iterator[Row]:
        context = self._context("large", "FROM scratch\nCOPY large /srv/\n")
        with open(context / "large", "wb") as file:
            file.writelines(os.urandom(1 << 20) for _ in range(large >> 20))
        ours, kit = self._ours(context), self._kit(context)
        yield Row("COPY of a large file, beside BuildKit", *self._cold(ours, kit, self._docker.clear), 0.5)

    def commands(self) -> Iterator[Row]:
        """Four trivial commands, each time new ones, on a base that all have."""
        self._make_base()
        context = self._folder / "commands"
        context.mkdir()
        stamps = iter(range(10_000))

        def change() -> None:
            stamp = next(stamps)
            lines = [f"RUN echo {stamp}-{number} > /r{number}\n" for number in range(4)]
            (context / "Dockerfile").write_text("FROM base\n" + "".join(lines))

        ours, kit = (
            replace(one, before=change) for one in (self._ours(context, "--pull=never"), self._kit(context))
        )
        yield Row("four RUN lines, beside BuildKit", *self._warm(ours, kit), 1.0)

    def _make_base(self) -> None:
        links = "".join(
            f'RUN ["/bin/busybox", "ln", "-s", "busybox", "/bin/{name}"]\n' for name in ("sh", "sleep")
        )
        base = self._context("base", f"FROM scratch\nCOPY busybox /bin/\n{links}")
        shutil.copy(_BUSYBOX, base / "busybox")
        ours = self._ours(base)
        replace(ours, argv=[*ours.argv[:-1], "-t", "base", ours.argv[-1]]).measure()
        Command(self._docker.build(base, "-t", "base"), base, self._docker.env).measure()

    def stages(self) -> Iterator[Row]:
        """Six stages, three of which are slow and independent."""
        slow = "".join(f"FROM start AS slow{n}\nRUN sleep {_SLOW}; echo {n} > /out\n" for n in range(3))
        copies = "".join(f"COPY --from=slow{n} /out /out{n}\n" for n in range(3))
        text = f"FROM base AS start\nRUN echo > /start\n{slow}FROM start AS gathered\n{copies}FROM gathered\nLABEL a=b\n"
        context = self._context("stages", text)
        ours = self._ours(context, "-j4", "--pull=never", "--no-cache")
        yield Row(
            "six stages, three of them slow", median(ours, min(self._rounds, 3)).wall, None, _SLOW * 1.2
        )

    def copies(self) -> Iterator[Row]:
        """Many COPY lines, of which the first one's source changes."""
        text = "FROM scratch\n" + "".join(f"COPY f{n} /srv/f{n}\n" for n in range(_COPIES))
        context = self._context("copies", text)
        for number in range(_COPIES):
            (context / f"f{number}").write_text(str(number))
        stamps = iter(range(10_000))

        def change() -> None:
            (context / "f0").write_text(f"changed {next(stamps)}")

        ours, kit = (replace(one, before=change) for one in (self._ours(context), self._kit(context)))
        yield Row("twenty COPY lines, the first one's source new", *self._warm(ours, kit), 1.0)
        change()
        built = Dockerfiles(home=self._home).build(DockerfileOptions(context=str(context)))
        made = sum(kind == "copy" for kind, _ in built.executed)
        yield Row("layers made for it", made, None, 1, "")
