"""``--cache-from`` and ``--cache-to``: what one machine built is used by another that has nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from hermes import BuiltDockerfile, DockerfileOptions, Dockerfiles, Workspace
from hermes.build.secrets import SecretSource
from hermes.digest import Digest, canonical_json, parse_json
from hermes.engine.events import Warned
from hermes.errors import UsageError
from tests.conftest import Sandbox
from tests.integration.conftest import add_base
from tests.integration.yard import Yard, ran
from tests.registry.servers import Registry, docker_registry

FILE = """\
FROM base AS build
COPY src /src
RUN head -c 300000 /dev/urandom > /big && cat /src > /out
FROM base
COPY --from=build /out /out
RUN head -c 100000 /dev/urandom > /pad
"""


class Machine:
    """A machine with an empty store, and the context of a Dockerfile on ``base``, an image in a registry."""

    def __init__(self, home: Path, context: Path, base: str) -> None:
        self.home = home
        self.context = context
        self.base = base
        self.said: list[str] = []

    def build(self, *, read: str = "", write: str = "", **options: object) -> BuiltDockerfile:
        def heard(event: object) -> None:
            if isinstance(event, Warned):
                self.said.append(event.message)

        chosen = DockerfileOptions(
            context=str(self.context),
            contexts={"base": self.base},
            cache_from=[read] if read else [],
            cache_to=[write] if write else [],
            **options,
        )
        return Dockerfiles(home=self.home, subscribers=[heard], say=self.said.append).build(chosen)

    @property
    def blobs(self) -> int:
        """How many bytes of blobs the store has."""
        return sum(one.stat().st_size for one in (self.home / "blobs/sha256").iterdir())


class Machines:
    """Machines that share a registry; the first has built ``FILE``, and written caches of both modes."""

    def __init__(self, yard: Yard, registry: Registry, folder: Path) -> None:
        self._folder = folder
        self.registry = registry
        self.host = registry.host
        self.context = yard.root
        self.base = f"docker://{registry.host}/base:1"
        yard.write("Dockerfile", FILE)
        yard.write("src", "old")
        self._count = 0
        self.first = self.new()
        options = DockerfileOptions(
            context=str(self.context),
            contexts={"base": self.base},
            cache_to=[self.cache("min"), f"{self.cache('max')},mode=max"],
            destinations=[f"docker://{self.host}/app:1"],
        )
        self.built = Dockerfiles(home=self.first.home).build(options)

    def new(self) -> Machine:
        self._count += 1
        return Machine(self._folder / f"home{self._count}", self.context, self.base)

    def cache(self, tag: str) -> str:
        return f"type=registry,ref={self.host}/cache:{tag}"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    folder = tmp_path_factory.mktemp("caches")
    sandbox = Sandbox(folder / "workspace", folder / "home")
    add_base(sandbox)
    sandbox.write("image/BUILD", 'image(name = "image", env = {"PATH": "/bin"}, layers = ["//base:root"])\n')
    with docker_registry(folder / "registry") as registry:
        yard = Yard(sandbox)
        sandbox.build("//image", destinations=[f"docker://{registry.host}/base:1"])
        yield Machines(yard, registry, folder)


@pytest.fixture
def machines(built: Machines) -> Machines:
    (built.context / "Dockerfile").write_text(FILE)
    return built


def test_a_machine_without_a_store_runs_nothing_and_downloads_no_layer(machines: Machines) -> None:
    for mode in ("min", "max"):
        cold = machines.new()
        again = cold.build(read=machines.cache(mode), destinations=[f"docker://{machines.host}/other:1"])
        assert again.digest == machines.built.digest
        assert again.executed == ()
        assert cold.blobs < 60_000
    warm = machines.new()
    archive = machines.context.parent / "app.tar"
    built = warm.build(read=machines.cache("min"), destinations=[f"type=oci,dest={archive}"])
    assert built.executed == ()
    assert archive.stat().st_size > 400_000


def test_what_changed_is_built_on_what_the_cache_has(machines: Machines) -> None:
    (machines.context / "Dockerfile").write_text(FILE + "RUN wc -c < /pad > /count\n")
    for mode in ("min", "max"):
        cold = machines.new()
        assert ran(cold.build(read=machines.cache(mode))) == ["run 7"]
    (machines.context / "Dockerfile").write_text(
        FILE.replace("cat /src > /out", "cat /src > /out && ls /big")
    )
    for mode in ("min", "max"):
        assert "copy 2" not in ran(machines.new().build(read=machines.cache("max")))
        assert "run 3" in ran(machines.new().build(read=machines.cache(mode)))


def test_bytes_that_the_cache_does_not_have_are_built_again(machines: Machines) -> None:
    """With ``mode=min`` the layers of a stage that is not the image's are promised and not there."""
    text = FILE.replace(
        "FROM base\nCOPY --from", "FROM build AS more\nRUN echo more >> /out\nFROM base\nCOPY --from"
    )
    (machines.context / "Dockerfile").write_text(text.replace("--from=build", "--from=more"))
    cold = machines.new()
    assert {"copy 2", "run 3", "run 5"} <= set(ran(cold.build(read=machines.cache("min"))))
    assert any("cannot be fetched from the cache" in one for one in cold.said)
    cold = machines.new()
    assert ran(cold.build(read=machines.cache("max"))) == ["copy 7", "run 5", "run 8"]


def test_a_damaged_cache_gives_no_wrong_image(machines: Machines, tmp_path: Path) -> None:
    registry = machines.registry
    kept = shutil.copytree(registry.folder / "data", tmp_path / "data")
    data = registry.folder / "data/docker/registry/v2/blobs/sha256"
    manifest = json.loads((data / _link(registry, "cache", "max")).read_bytes())
    index, *layers = manifest["layers"]
    for one in layers:
        (data / _place(one["digest"])).write_bytes(b"x" * one["size"])
    (machines.context / "Dockerfile").write_text(FILE + "RUN cat /out\n")
    cold = machines.new()
    built = cold.build(read=machines.cache("max"))
    assert any("cannot be fetched from the cache" in one for one in cold.said)
    assert {"run 6", "run 7"} <= set(ran(built))

    path = data / _place(index["digest"])
    path.write_bytes(b"x" * index["size"])
    cold = machines.new()
    cold.build(read=machines.cache("max"))
    assert any("is passed over" in one for one in cold.said)
    shutil.copytree(kept, registry.folder / "data", dirs_exist_ok=True)


def test_documents_that_are_not_what_their_digests_say_are_not_taken(
    machines: Machines, tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    machines.first.build(write=f"type=local,dest={folder},mode=max")
    document = json.loads((folder / "index.json").read_text())
    (row,) = document["manifests"]
    manifest = json.loads((folder / "blobs/sha256" / row["digest"][7:]).read_bytes())
    path = folder / "blobs/sha256" / manifest["layers"][0]["digest"][7:]
    index = parse_json(zstandard.ZstdDecompressor().decompress(path.read_bytes()))
    index["documents"] = dict.fromkeys(index["documents"], "AAAA")
    data = zstandard.ZstdCompressor().compress(canonical_json(index))
    manifest["layers"][0] |= {"digest": Digest.of(data), "size": len(data)}
    text = canonical_json(manifest)
    row |= {"digest": Digest.of(text), "size": len(text)}
    for one in (data, text):
        (folder / "blobs/sha256" / Digest.of(one).hex).write_bytes(one)
    (folder / "index.json").write_text(json.dumps(document))
    cold = machines.new()
    built = cold.build(read=f"type=local,src={folder}")
    assert built.digest == machines.built.digest
    assert ran(built) == []
    assert ran(built, "assemble_image", "list_files") == ["assemble_image 4", "list_files 5"]


def test_a_cache_that_is_not_there_is_said_and_no_error(machines: Machines, tmp_path: Path) -> None:
    cold = machines.new()
    cold.build(read=machines.cache("none"))
    assert f"{machines.host}/cache:none: there is no cache yet" in cold.said
    cold = machines.new()
    cold.build(read=f"type=registry,ref={machines.host}/app:1")
    assert any(f"{machines.host}/app:1 is not a cache of Hermes" in one for one in cold.said)
    cold = machines.new()
    cold.build(read=f"type=local,src={tmp_path / 'nowhere'}", write="type=inline")
    assert any("there is no cache yet" in one for one in cold.said)
    assert any("type=inline writes nothing" in one for one in cold.said)


def test_what_a_secret_may_be_in_is_in_no_cache(machines: Machines, tmp_path: Path) -> None:
    (machines.context / "Dockerfile").write_text(
        "FROM base AS secret\nRUN echo shared > /shared\n"
        "RUN --mount=type=secret,id=it tr a-z b-za < /run/secrets/it > /turned\nRUN echo on top > /top\n"
        "FROM base\nCOPY --from=secret /turned /\n"
    )
    folder, secrets = tmp_path / "cache", [SecretSource("it", file=str(tmp_path / "it"))]
    (tmp_path / "it").write_text("quitesecretvalue")
    options = {"secrets": secrets, "write": f"type=local,dest={folder},mode=max"}
    first = machines.new().build(**options)
    assert {"run 2", "run 3", "run 4", "copy 6"} <= set(ran(first))
    for blob in (folder / "blobs/sha256").iterdir():
        data = blob.read_bytes()
        if data.startswith(zstandard.FRAME_HEADER):
            data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        assert b"rvjuftfdsfuwbmvf" not in data
    second = machines.new().build(secrets=secrets, read=f"type=local,src={folder}")
    assert second.digest == first.digest
    assert "run 2" not in ran(second)
    assert {"run 3", "run 4", "copy 6"} <= set(ran(second))


def test_targets_of_a_workspace_share_results_too(
    workspace: Sandbox, registry: Registry, tmp_path: Path
) -> None:
    workspace.write("app/f", "f")
    workspace.write(
        "app/BUILD",
        'files_layer(name = "l", files = {"/srv/f": "f"})\n\nimage(name = "image", layers = [":l"], cmd = ["/srv/f"])\n',
    )
    cache = f"type=registry,ref={registry.host}/team/cache:main"
    first = workspace.build("//app:image", cache_to=[cache])
    assert workspace.build("//app:image", cache_to=[cache]).executed == ()
    said: list[str] = []
    second = Workspace(workspace.root, home=tmp_path / "cold", say=said.append).build(
        "//app:image", cache_from=[cache]
    )
    assert second.executed == ()
    assert second.targets == first.targets
    third = Workspace(workspace.root, home=tmp_path / "cold", say=said.append).build("//app:image")
    assert third.targets == first.targets
    with pytest.raises(UsageError, match="type=gha is not supported"):
        workspace.build("//app:image", cache_to=["type=gha"])


def _place(digest: str) -> str:
    return f"{digest[7:9]}/{digest[7:]}/data"


def _link(registry: Registry, name: str, tag: str) -> str:
    folder = (
        registry.folder / f"data/docker/registry/v2/repositories/{name}/_manifests/tags/{tag}/current/link"
    )
    return _place(folder.read_text())
