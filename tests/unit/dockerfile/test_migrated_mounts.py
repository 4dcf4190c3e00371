"""Mounts of RUN as those of a BUILD file: each property goes from RUN through its action into a target, and stays."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from hermes import DockerfileOptions
from hermes.actions.specs.run import Run
from hermes.actions.specs.spec import Ref, of_action
from hermes.api.migrating import MigrateOptions, migrated
from hermes.build.options import BuildOptions
from hermes.build.session import Session
from hermes.digest import Digest
from hermes.dockerfile.context import Context
from hermes.dockerfile.files import FolderFiles
from hermes.dockerfile.options import Options
from hermes.dockerfile.origins import BaseImage
from hermes.dockerfile.parse import parse
from hermes.dockerfile.translate import translate
from hermes.engine.action import ActionGraph
from hermes.errors import DockerfileError
from hermes.image.platform import Platform
from hermes.store import Store
from tests.conftest import Sandbox

USUAL = {
    "cache": "id=c,target=/c",
    "tmpfs": "target=/t",
    "secret": "id=s",
}
PROPERTIES = [
    *(f"type=cache,{one}" for one in ("target=/c", "id=other,target=/c", "target=/deep/c")),
    *(
        f"type=cache,{USUAL['cache']},{one}"
        for one in (
            "ro",
            "readonly=true",
            "rw=false",
            "sharing=locked",
            "sharing=private",
            "mode=0700",
            "uid=7",
            "gid=8",
            "uid=7,gid=8,mode=01777,ro,sharing=locked",
        )
    ),
    *(f"type=tmpfs,{one}" for one in ("target=/t", "target=/t,size=64m")),
    *(f"type=secret,{one}" for one in ("id=s", "target=/t/s")),
    *(
        f"type=secret,{USUAL['secret']},{one}"
        for one in ("target=/run/s", "required", "mode=0444", "uid=7", "gid=8", "uid=7,gid=8,mode=0440")
    ),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all tests, so that the rules that come with Hermes are compiled once."""
    return tmp_path_factory.mktemp("migrated") / "home"


@pytest.fixture
def app(tmp_path: Path, home: Path) -> Sandbox:
    made = Sandbox(tmp_path / "workspace", home)
    made.write("app/file", "")
    return made


class Nothing:
    """See `hermes.dockerfile.origins.Origins`: the Dockerfiles here name none."""

    given: Collection[str] = ()

    def image(self, name: str, platform: Platform) -> BaseImage:
        raise AssertionError(name)

    def file(self, url: str) -> Digest:
        return Digest.of(url.encode())

    def commit(self, url: str, ref: str) -> str:
        return Digest.of(f"{url}#{ref}".encode()).hex[:40]

    def context(self, name: str) -> Context | None:
        return None


def run_of(graph: ActionGraph) -> Run[Ref]:
    (found,) = (one for one in graph.actions.values() if one.kind == Run.kind)
    return of_action(Run[Ref], found)


def in_dockerfile(app: Sandbox, text: str) -> Run[Ref]:
    """The action of the RUN itself."""
    options = Options(secrets=frozenset({"s"}))
    context = Context(FolderFiles(str(app.root / "app"), ""))
    return run_of(translate(parse("Dockerfile", text), context, Nothing(), options).graph)


def in_build_file(app: Sandbox, text: str) -> Run[Ref]:
    """The action of the target that it becomes."""
    file = app.write("app/Dockerfile", text)
    options = DockerfileOptions(context=str(app.root / "app"), file=str(file))
    app.write("app/BUILD", migrated(MigrateOptions(options), app.home))
    store = Store.open(app.home)
    try:
        session = Session.open(app.root, store, BuildOptions(), print)
        session.analysis.analyze(session.labels(["//..."], ""))
        return run_of(session.analysis.graph)
    finally:
        store.close()


def dockerfile(mount: str, user: str = "") -> str:
    return f'FROM scratch\nCOPY file /\n{user}RUN --mount={mount} ["/file"]\n'


@pytest.mark.parametrize("user", ["", "USER 5:6\n"], ids=["root", "user"])
@pytest.mark.parametrize("mount", PROPERTIES)
def test_every_property_stays(app: Sandbox, mount: str, user: str) -> None:
    text = dockerfile(mount, user)
    before, after = in_dockerfile(app, text), in_build_file(app, text)
    assert before.caches or before.tmpfs or before.secrets
    assert after.caches == before.caches
    assert after.tmpfs == before.tmpfs
    if user:
        assert after.secrets == before.secrets
    else:  # without an owner a secret is the user's, and that is root
        assert [(one.uid or 0, one.gid or 0) for one in after.secrets] == [
            (one.uid, one.gid) for one in before.secrets
        ]
        assert [(one.id, one.target, one.mode) for one in after.secrets] == [
            (one.id, one.target, one.mode) for one in before.secrets
        ]


@pytest.mark.parametrize("mount", ["type=bind,source=file,target=/m", "type=bind,source=/,target=/m,ro"])
def test_files_that_are_mounted_are_a_layer(app: Sandbox, mount: str) -> None:
    text = dockerfile(mount)
    assert len(in_dockerfile(app, text).bound) == 1
    after = in_build_file(app, text)
    assert after.bound == ()
    assert after.mounts == {}
    assert len(after.roots) == 2


@pytest.mark.parametrize(
    ("mount", "said"),
    [
        ("type=bind,source=/,target=/m,rw", "a mount that the command may write has no rule"),
        ("type=ssh", "no rule gives a command an SSH agent"),
    ],
)
def test_what_no_target_can_say_is_refused(app: Sandbox, mount: str, said: str) -> None:
    with pytest.raises(DockerfileError, match=said):
        in_build_file(app, dockerfile(mount))
