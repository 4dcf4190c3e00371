"""Builders on a busybox, and an application that they build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hermes import BuiltDockerfile, DockerfileOptions, Dockerfiles
from hermes.api.s2i import SourceToImage
from hermes.build.s2i.options import S2IOptions
from hermes.errors import BuildFailed
from hermes.layer.archives import archive_members
from tests.conftest import BUSYBOX

URL = "io.openshift.s2i.scripts-url"
ASSEMBLE = """\
#!/bin/sh
set -e
mkdir -p /app/deps
if [ -d /tmp/artifacts ]; then mv /tmp/artifacts/deps/* /app/deps/; touch /app/restored; fi
cp -R /tmp/src /app/
[ -f /app/deps/lib ] || echo lib > /app/deps/lib
echo "$GREETING $WHO" > /app/greeting
id -u > /app/user
[ ! -f /app/in/secret ] || grep -q secret /app/in/secret && touch /app/secret-delivered
mkdir -p /tmp/.s2i
echo '{"labels": [{"testLabel": "testLabel_value"}]}' > /tmp/.s2i/image_metadata.json
"""
SAVE = "#!/bin/sh\ncd /app && tar cf - deps\ndd if=/dev/zero bs=512 count=1 2>/dev/null\n"
RUN = "#!/bin/sh\ncat /app/greeting\n"
USAGE = "#!/bin/sh\necho this is how\n"

BUILDERS = f"""\
FROM scratch AS base
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
COPY passwd /etc/passwd
RUN mkdir -p -m 1777 /tmp && mkdir -p -m 0777 /app /app/in /opt/work
ENV PATH=/bin GREETING=hello
WORKDIR /opt/work

FROM base AS fake
COPY --chmod=755 scripts /usr/libexec/s2i
LABEL {URL}=image:///usr/libexec/s2i
ENTRYPOINT ["/bin/false"]

FROM fake AS no-entry
ENTRYPOINT []

FROM fake AS user
USER fakeuser

FROM fake AS number
USER 431

FROM number AS assemble-root
LABEL io.openshift.s2i.assemble-user=0

FROM number AS assemble-user
LABEL io.openshift.s2i.assemble-user=432

FROM base AS no-scripts

FROM base AS no-save
COPY --chmod=755 scripts/assemble scripts/run /usr/libexec/s2i/
LABEL io.s2i.scripts-url=image:///usr/libexec/s2i

FROM fake AS no-tar
RUN rm /bin/tar

FROM fake AS plain-file
RUN chmod 644 /usr/libexec/s2i/assemble

FROM fake AS onbuild
WORKDIR /tmp/src
ONBUILD RUN touch /app/onbuild
ONBUILD COPY . /tmp/src/

FROM onbuild AS onbuild-root
USER 1001
ONBUILD USER 0

FROM fake AS elsewhere
LABEL io.openshift.s2i.destination=/opt/dest
RUN mkdir -m 0777 /opt/dest && sed -i 's:/tmp/src:/opt/dest/src:' /usr/libexec/s2i/assemble

FROM base AS runtime
WORKDIR /srv/app
COPY --chmod=755 runtime /usr/libexec/runtime
LABEL {URL}=image:///usr/libexec/runtime io.openshift.s2i.assemble-input-files="/app/greeting;/app/deps:lib"
USER 431
"""
RUNTIME = '#!/bin/sh\necho "$WHO" > /tmp/assembled; ls -R /srv/app > /tmp/seen; id -u > /tmp/user\n'


class Place:
    """A store with builders, and a folder for sources."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.source = root / "source"
        self.said: list[str] = []

    def write(self, path: str, content: str, mode: int = 0o644) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        target.chmod(mode)
        return target

    def bud(self, target: str) -> None:
        builder = Dockerfiles(home=self.home)
        builder.build(DockerfileOptions(context=str(self.root / "builders"), target=target, tags=[target]))

    def build(self, builder: str = "fake", **options: Any) -> BuiltDockerfile:
        self.said.clear()
        asked = S2IOptions(**{"source": str(self.source), "builder": builder, "pull": "never", **options})
        return SourceToImage(home=self.home, say=self.said.append).build(asked)

    def config(self, built: BuiltDockerfile) -> dict[str, Any]:
        manifest = json.loads(self._blob(built.digest).read_bytes())
        return json.loads(self._blob(manifest["config"]["digest"]).read_bytes())["config"]

    def entries(self, built: BuiltDockerfile) -> dict[str, tuple[Any, bytes]]:
        """What is in the layer of the application: entry and content by path."""
        manifest = json.loads(self._blob(built.digest).read_bytes())
        with self._blob(manifest["layers"][-1]["digest"]).open("rb") as file:
            members = archive_members(file, name="layer")
            return {one.entry.path: (one.entry, b"".join(one.content)) for one in members}

    def text(self, built: BuiltDockerfile, path: str) -> str:
        return self.entries(built)[path][1].decode()

    def _blob(self, digest: str) -> Path:
        return self.home / "blobs/sha256" / digest[7:]


def made_in(tmp_path_factory: pytest.TempPathFactory) -> Place:
    if not BUSYBOX.exists():
        pytest.skip("the Debian package busybox-static is not installed")
    place = Place(tmp_path_factory.mktemp("s2i"))
    (place.root / "builders").mkdir()
    place.write("builders/Dockerfile", BUILDERS)
    (place.root / "builders/busybox").write_bytes(BUSYBOX.read_bytes())
    (place.root / "builders/busybox").chmod(0o755)
    place.write("builders/passwd", "root:x:0:0:root:/root:/bin/sh\nfakeuser:x:431:431:fake:/app:/bin/sh\n")
    for name, text in (("assemble", ASSEMBLE), ("save-artifacts", SAVE), ("run", RUN), ("usage", USAGE)):
        place.write(f"builders/scripts/{name}", text)
    place.write("builders/runtime/assemble-runtime", RUNTIME)
    place.write("builders/runtime/run", "#!/bin/sh\ncat greeting\n")
    for target in ("fake", "no-entry", "runtime"):
        place.bud(target)
    return place


def failure(error: BuildFailed) -> str:
    (found,) = error.failures.values()
    return found.render()
