"""Tries hostile inputs in one process, and says what became of them as JSON: ``python -m tests.hostile.run KIND FOLDER STEP``.

What is taken is also used: listed, made a container of, and every ``STEP``th time extracted, run in and committed. Of
the layers, which are there to be extracted, only every ``STEP``th is tried.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from hermes.api.containers import Containers
from hermes.api.images import Images
from hermes.digest import Digest
from hermes.errors import HermesError, ProgramMissing
from hermes.images.inspecting import inspect, tables
from hermes.layer.flatten import flatten
from tests.hostile.documents import archives, documents, layouts
from tests.hostile.layers import all_layers
from tests.hostile.registries import Liar, cases, impatience
from tests.unit.transports.images import OCI, Made, tar_of, text

KINDS: Final = ("layers", "documents", "archives", "registries")
SECONDS = 20
"""How much time of the processor a case may take."""
LONGEST = 150
"""How many seconds it may take on a machine that is busy with other work."""
BUSYBOX_PATH = Path("/bin/busybox")

Try = Callable[[Path], None]
"""Tries a case with the store in a folder."""


class Hung(BaseException):
    """A case took longer than it may."""


class Corpus:
    """The cases of all kinds. ``out`` is the folder that none may change, ``folder`` where images are written."""

    def __init__(self, out: str, folder: Path, step: int) -> None:
        self._out = out
        self._folder = folder
        self._step = step
        self._used = itertools.count()

    def of(self, kind: str, held: ExitStack) -> Iterator[tuple[str, Try]]:
        """Yield the names of cases, and what tries each; ``held`` gets what they need until the end."""
        if kind == "registries":
            held.enter_context(impatience())
            return cases(held.enter_context(Liar()), self._use, self._step)
        made = {"layers": self._layers, "documents": self._documents, "archives": self._archives}[kind]()
        return ((name, partial(self._written, write)) for name, write in made)

    def _written(self, write: Callable[[], str], home: Path) -> None:
        self._use(write(), home)

    def _layers(self) -> Iterator[tuple[str, Callable[[], str]]]:
        def written(make: Callable[[], bytes], inside: Callable[[], bytes], number: int) -> str:
            made = Made([tar_of({"bin/busybox": BUSYBOX_PATH.read_bytes()}, mode=0o755)])
            blob = make()
            made.config["rootfs"]["diff_ids"].append(Digest.of(inside()))
            made.config["config"] = {"Cmd": ["/bin/busybox", "true"]}
            made.manifest["config"] = made.add(text(made.config), f"{OCI}.config.v1+json")
            made.manifest["layers"].append(made.add(blob, f"{OCI}.layer.v1.tar+gzip"))
            made.row = made.add(text(made.manifest), f"{OCI}.manifest.v1+json")
            self._used = itertools.count()  # each is extracted
            return made.layout(self._folder / str(number))

        for number, (name, make, inside) in enumerate(all_layers(self._out)):
            if number % self._step == 0:
                yield name, partial(written, make, inside, number)

    def _documents(self) -> Iterator[tuple[str, Callable[[], str]]]:
        for number, (name, make) in enumerate(documents()):
            yield name, lambda make=make, number=number: make().layout(self._folder / str(number))

    def _archives(self) -> Iterator[tuple[str, Callable[[], str]]]:
        def written(kind: str, make: Callable[[], bytes], number: int) -> str:
            path = self._folder / f"{kind}{number}.tar"
            path.write_bytes(make())
            return f"{kind}:{path}"

        for kind, found in (("docker-archive", archives(self._out)), ("oci-archive", layouts(self._out))):
            for number, (name, make) in enumerate(found):
                yield f"{kind}: {name}", partial(written, kind, make, number)

    def _use(self, origin: str, home: Path) -> None:
        """Do with an image what users do."""
        images, containers = Images(home=home), Containers(home=home)
        images.pull(origin, "case")
        json.dumps(inspect("case", home=home).to_json())
        flatten(tables("case", home=home))
        containers.create("case", name="c")
        try:
            if next(self._used) % self._step == 0:
                with open(os.devnull, "r+b") as nothing:
                    fds = (nothing.fileno(),) * 3
                    with suppress(ProgramMissing):  # of an image without a busybox
                        containers.run("c", ("/bin/busybox", "true"), stdio=fds)
                containers.commit("c", "again")
        finally:
            containers.remove("c")


def state_of(out: Path) -> list[tuple[str, int, int]]:
    return sorted(
        (one.name, one.lstat().st_mtime_ns, one.lstat().st_mode)
        for one in (out.parent, *out.parent.iterdir(), *out.iterdir())
    )


def spent() -> float:
    """Return the seconds of the processor that this process and those that it waited for have taken."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usage)


def highest() -> int:
    """Return the most memory of this program, in KiB: getrusage(2) counts what ran before exec(2), too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def tried(use_it: Callable[[], object]) -> str:
    """Return what came of a case: taken, refused, hung, or a traceback."""

    def give_up(*_: object) -> None:
        raise Hung

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LONGEST)
    start = spent()
    try:
        use_it()
    except HermesError as error:
        message = error.render()
        if spent() - start >= SECONDS:
            return "hung"
        return "refused" if message and "Traceback" not in message else f"empty: {message!r}"
    except Hung:
        return "hung"
    except BaseException:  # noqa: BLE001 - it is what is looked for
        return "traceback: " + traceback.format_exc()[-1500:]
    else:
        return "taken" if spent() - start < SECONDS else "hung"
    finally:
        signal.alarm(0)


def main(kind: str, folder: str, step: int) -> dict[str, Any]:
    home, made = Path(folder) / "home", Path(folder) / "made"
    out = Path(folder) / "outer" / "out"
    out.mkdir(parents=True)
    (out / "secret").write_text("secret")
    made.mkdir()
    before = state_of(out)
    found: dict[str, str] = {}
    slow: dict[str, float] = {}
    with ExitStack() as held:
        for name, use_it in Corpus(str(out), made, step).of(kind, held):
            assert name not in found, f"two cases are called {name!r}"
            start = spent()
            found[name] = tried(partial(use_it, home))
            slow[name] = spent() - start
            if state_of(out) != before:
                found[name] = f"outside: {found[name]}"
                before = state_of(out)
    listed = tried(lambda: (Images(home=home).all(), Containers(home=home).all()))
    usage = max(highest(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    return {
        "found": found,
        "after": listed,
        "megabytes": usage / 1024,
        "slowest": max(slow.items(), key=lambda row: row[1]),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
