"""A small application in Python that a builder image makes, beside the same steps as commands of buildah."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.bench.peers import Buildah
from tests.bench.timing import HERMES, Command, Row, pair

_ASSEMBLE = """\
#!/bin/sh
set -e
cp -R /tmp/src/. /opt/app/
python3 -m compileall -q --invalidation-mode checked-hash /opt/app
"""
_BUILDER = """\
FROM scratch
ADD base.tar /
COPY s2i /usr/libexec/s2i
RUN mkdir -p /opt/app && chown 1001:0 /opt/app
LABEL io.openshift.s2i.scripts-url=image:///usr/libexec/s2i
WORKDIR /opt/app
USER 1001
"""


def cases(folder: Path, base: Path, rounds: int) -> Iterator[Row]:
    """``base`` is a tar of a system with Python; the builder is built before the time is taken."""
    context, app = folder / "context", folder / "app"
    (context / "s2i").mkdir(parents=True)
    base.rename(context / "base.tar")
    (context / "Dockerfile").write_text(_BUILDER)
    for name, text in (("assemble", _ASSEMBLE), ("run", "#!/bin/sh\nexec python3 /opt/app/m0.py\n")):
        (context / "s2i" / name).write_text(text)
        (context / "s2i" / name).chmod(0o755)
    app.mkdir()
    for number in range(20):
        (app / f"m{number}.py").write_text(f"def f{number}(x):\n    return x + {number}\n" * 20)
    env = {"HERMES_HOME": str(folder / "home")}
    bud = [*HERMES, "bud", "-q", "--network", "none", "-t", "builder", str(context)]
    subprocess.run(bud, cwd=folder, env={**os.environ, **env}, check=True, capture_output=True)
    buildah = Buildah(folder / "buildah")
    edits = iter(range(10_000))

    def edit() -> None:
        (app / "m3.py").write_text(f"EDIT = {next(edits)}\n")

    try:
        subprocess.run(buildah.bud(context, "-q", "-t", "builder"), check=True, capture_output=True)
        b, policy = " ".join(buildah.argv()), f"--signature-policy={buildah.folder}/policy.json"
        steps = (
            f"c=$({b} from --pull-never {policy} builder)",
            f"{b} copy -q --chown 1001:0 $c {app} /tmp/src",
            f"{b} run --isolation=chroot $c -- /usr/libexec/s2i/assemble",
            f"{b} config --cmd /usr/libexec/s2i/run $c",
            f"{b} commit -q --rm {policy} $c app",
        )
        build = [*HERMES, "s2i", "build", "-q", "-p", "never", str(app), "builder", "app"]
        peer = ["sh", "-ec", "; ".join(steps)]
        ours, theirs = (Command(argv, folder, one, edit) for argv, one in ((build, env), (peer, {})))
        pair(ours, theirs, 1)
        measured, other = pair(ours, theirs, rounds)
        yield Row("s2i: source changed", measured.wall, other and other.wall, 0.5)
        yield Row("s2i: source changed: processor", measured.cpu, other and other.cpu, 0.5)
        again, _ = pair(Command(build, folder, env), None, rounds)
        yield Row("s2i: nothing changed", again.wall, other and other.wall, 0.5)
    finally:
        buildah.remove()
        shutil.rmtree(folder / "home", ignore_errors=True)
