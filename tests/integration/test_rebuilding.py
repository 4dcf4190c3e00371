"""What is executed again after a change, and what is not."""

from __future__ import annotations

import json
import os
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from hermes.build.memory.records import Memory
from hermes.build.memory.snapshot import Snapshots
from hermes.digest import Digest
from hermes.errors import BuildFailed, BuildFileError, LabelError
from tests.conftest import Sandbox

APP = """
files_layer(name = "a", srcs = ["a.txt"], dest = "/srv")
files_layer(name = "b", srcs = ["b.txt"], dest = "/srv")
run_layer(
    name = "counted",
    base = ["//base:root", ":a"],
    cmd = "wc -l < /srv/a.txt > /srv/count",
)
image(
    name = "image",
    base = "//base:root",
    layers = [":a", ":b", ":counted"],
    entrypoint = ["cat", "/srv/count"],
)
"""


@pytest.fixture
def app(based: Sandbox) -> Sandbox:
    based.write("app/BUILD", APP)
    based.write("app/a.txt", "one\n")
    based.write("app/b.txt", "two\n")
    based.build("//app:image")
    return based


def test_a_build_without_a_change_executes_nothing(app: Sandbox) -> None:
    result = app.build("//app:image")
    assert result.executed == ()
    assert result.cached > 5


def test_touching_a_file_executes_nothing(app: Sandbox) -> None:
    os.utime(app.root / "app/a.txt")
    assert app.build("//app:image").executed == ()


def test_replacing_a_file_by_a_copy_executes_nothing(app: Sandbox) -> None:
    source = app.root / "app/a.txt"
    copy = source.with_name("copy")
    copy.write_bytes(source.read_bytes())
    copy.replace(source)
    assert app.build("//app:image").executed == ()


def test_changing_one_source_rebuilds_its_layer_and_what_depends_on_its_bytes(app: Sandbox) -> None:
    app.write("app/b.txt", "changed\n")
    assert app.build("//app:image").executed == ("//app:b", "//app:image")
    app.write("app/a.txt", "one\nmore\n")
    assert set(app.build("//app:image").executed) == {"//app:a", "//app:counted", "//app:image"}


def test_a_change_that_gives_the_same_output_stops_there(app: Sandbox) -> None:
    app.write(
        "top/BUILD",
        'run_layer(name = "top", base = ["//base:root", "//app:counted"], cmd = "cp /srv/count /srv/copy")',
    )
    text = APP.replace('name = "counted",', 'name = "counted", visibility = ["//visibility:public"],')
    app.write("app/BUILD", text.replace('"//base:root", ":a"', '":a", "//base:root"'))
    app.build("//top")
    app.write(
        "app/BUILD",
        text.replace("wc -l <", "wc  -l  <").replace('"//base:root", ":a"', '":a", "//base:root"'),
    )
    assert app.build("//top").executed == ("//app:counted",)


def test_an_executable_bit_is_a_change(app: Sandbox) -> None:
    (app.root / "app/b.txt").chmod(0o755)
    assert "//app:b" in app.build("//app:image").executed


def test_going_back_to_an_earlier_state_executes_nothing(app: Sandbox) -> None:
    app.write("app/b.txt", "other\n")
    app.build("//app:image")
    app.write("app/b.txt", "two\n")
    assert app.build("//app:image").executed == ()


def test_a_comment_in_a_build_file_executes_nothing(app: Sandbox) -> None:
    app.write("app/BUILD", f"# A comment.\n{APP}")
    assert app.build("//app:image").executed == ()


def test_sources_are_not_read_again_after_a_failure(based: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    based.write("app/BUILD", APP.replace("wc -l", "false; exit 3; wc -l"))
    based.write("app/a.txt", "one\n")
    os.utime(based.root / "app/a.txt", ns=(0, 0))
    time.sleep(0.1)  # what changed just now is read again in any case
    with pytest.raises(BuildFailed):
        based.build("//app:counted")
    monkeypatch.setattr("hermes.workspace.sources.read", lambda *_: pytest.fail("a source was read again"))
    with pytest.raises(BuildFailed):
        based.build("//app:counted")


def test_a_changed_rule_file_is_noticed(app: Sandbox) -> None:
    app.write("defs/BUILD", "")
    app.write("defs/names.bzl", 'TEXT = "one"\n')
    app.write(
        "used/BUILD",
        'load("//defs:names.bzl", "TEXT")\n'
        'run_layer(name = "used", base = "//base:root", cmd = "echo %s > /srv/text" % TEXT)',
    )
    first = app.digest("//used")
    app.write("defs/names.bzl", 'TEXT = "two"\n')
    result = app.build("//used")
    assert result.executed == ("//used:used",)
    assert result.targets["//used:used"][0].digest != first


@pytest.mark.parametrize("name", ["BUILD", "dest.bzl", "../hermes.yaml"])
@pytest.mark.parametrize("end", ["shared/file", "../file", "app/file"])
def test_what_is_read_through_symbolic_links_is_looked_at(workspace: Sandbox, name: str, end: str) -> None:
    workspace.write(
        "app/BUILD", 'load(":dest.bzl", "DEST")\nfiles_layer(name = "l", srcs = ["a"], dest = DEST)\n'
    )
    workspace.write("app/dest.bzl", 'DEST = "/one"\n')
    workspace.write("app/a", "a")
    path, target = workspace.root / "app" / name, workspace.root / end
    text = path.read_text()
    path.unlink()
    path.symlink_to(workspace.root / "links/now/link")
    for version in ("v1", "v2"):
        link = workspace.root / "links" / version / "link"
        link.parent.mkdir(parents=True)
        link.symlink_to(os.path.relpath(target, link.parent))
    (workspace.root / "links/now").symlink_to("v1")
    workspace.write(end, text)
    first = workspace.build("//app:l")
    assert workspace.build("//app:l").executed == ()
    if name == "BUILD":
        workspace.write(end, text.replace("DEST)", '"/two")'))
    elif name == "dest.bzl":
        workspace.write(end, 'DEST = "/two"\n')
    else:
        workspace.write(end, "ignore: [app]\n")
        with pytest.raises(LabelError):
            workspace.build("//app:l")
        return
    assert workspace.build("//app:l").targets != first.targets
    target.rename(target.with_name("moved"))
    workspace.write(f"{end}.first", text)
    link = workspace.root / "links/v2/link"
    link.unlink()
    link.symlink_to(f"{target}.first")
    (workspace.root / "links/now").unlink()
    (workspace.root / "links/now").symlink_to("v2")
    assert workspace.build("//app:l").targets == first.targets


def test_a_link_that_leads_out_of_its_package_is_noticed(workspace: Sandbox) -> None:
    workspace.write("app/BUILD", 'files_layer(name = "l", srcs = ["link"])')
    workspace.write("app/a", "a")
    link = workspace.root / "app/link"
    link.symlink_to("a")
    before = workspace.digest("//app:l")
    link.unlink()
    link.symlink_to("/etc/passwd")
    with pytest.raises(BuildFileError, match="leads out of its package, to /etc/passwd"):
        workspace.build("//app:l")
    link.unlink()
    link.symlink_to("b")
    assert workspace.digest("//app:l") != before


def test_a_new_file_that_a_glob_matches_is_noticed(app: Sandbox) -> None:
    app.write("globbed/BUILD", 'files_layer(name = "globbed", srcs = glob(["*.txt"]))')
    app.write("globbed/a.txt", "a")
    first = app.digest("//globbed")
    app.write("globbed/b.txt", "b")
    second = app.digest("//globbed")
    (app.root / "globbed/b.txt").unlink()
    assert first == app.digest("//globbed") != second


def test_a_build_that_ends_while_another_begins_is_not_mixed_up_with_it(
    workspace: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one build looked at does not go with what another one, that ended in between, made of it."""
    workspace.write("BUILD", 'files_layer(name = "l", srcs = ["a"])\n')
    workspace.write("a", "one")
    before = workspace.digest("//:l")
    workspace.write("a", "two")
    read = Snapshots.memory
    between: list[str] = []

    def memory(*arguments: Any) -> AbstractContextManager[Memory | None]:
        if not between:
            between.append("")
            between.append(workspace.digest("//:l"))
        return read(*arguments)

    monkeypatch.setattr(Snapshots, "memory", memory)
    assert workspace.digest("//:l") == between[1] != before


@pytest.mark.parametrize("name", ["index.json", "oci-layout"])
def test_outputs_that_were_removed_are_linked_again(app: Sandbox, name: str) -> None:
    file = app.root / "hermes-out/app/image" / name
    before = file.read_bytes()
    file.unlink()
    assert app.build("//app:image").executed == ()
    assert file.read_bytes() == before


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("target", ["//app:program", "//app:text", "//app:image"])
def test_a_blob_that_is_gone_or_damaged_is_made_again_before_it_is_linked(
    app: Sandbox, target: str, *, damaged: bool
) -> None:
    app.write(
        "app/BUILD",
        APP + 'write_file(name = "text", content = "text")\n'
        'write_file(name = "program", content = "program", executable = True)\n',
    )
    (built,) = app.build(target).targets[target]
    digest = built.digest
    if target == "//app:image":
        manifest = json.loads((app.home / "blobs/sha256" / digest.hex).read_bytes())
        digest = Digest.parse(manifest["config"]["digest"])
    blob = app.home / "blobs/sha256" / digest.hex
    before = blob.read_bytes()
    if damaged:
        blob.chmod(0o644)
        blob.write_bytes(before.swapcase())
    else:
        blob.unlink()
    (built,) = app.build(target).targets[target]
    outside = Path(built.path)
    linked = outside / "blobs/sha256" / digest.hex if outside.is_dir() else outside
    assert linked.read_bytes() == blob.read_bytes() == before


@pytest.mark.parametrize("fresh_home", [False, True])
def test_another_checkout_uses_the_same_results(app: Sandbox, tmp_path: Path, *, fresh_home: bool) -> None:
    from tests.integration.conftest import add_base

    other = Sandbox(tmp_path / "other", tmp_path / "other-home" if fresh_home else app.home)
    add_base(other)
    other.write("app/BUILD", APP)
    other.write("app/a.txt", "one\n")
    other.write("app/b.txt", "two\n")
    result = other.build("//app:image")
    assert bool(result.executed) == fresh_home
    assert result.targets["//app:image"][0].digest == app.digest("//app:image")


def test_an_image_does_not_tell_which_target_made_it(workspace: Sandbox, tmp_path: Path) -> None:
    workspace.write("app/f", "x")
    workspace.write(
        "app/BUILD",
        'files_layer(name = "below", dirs = ["/d"], dir_modes = {"/d": "0700"})\n'
        'files_layer(name = "on", srcs = ["f"], dest = "/d")\n'
        + "".join(f'image(name = "{name}", layers = [":below", ":on"])\n' for name in ("first", "second")),
    )
    both = workspace.build("//app:first", "//app:second")
    alone = Sandbox(workspace.root, tmp_path / "another").digest("//app:second")
    assert both.targets["//app:second"][0].digest == alone


SAY = """
Words = provider(fields = ["words"])

def _impl(ctx):
    words = [ctx.attr.word]
    for dep in ctx.attr.deps:
        {extend}
    print("saying " + ctx.attr.word)
    return [Words(words = words), DefaultInfo(files = [ctx.actions.write("words", " ".join(words))])]

say = rule(
    implementation = _impl,
    attrs = {{"word": attr.string(), "deps": attr.label_list(providers = [Words])}},
)
"""


def saying(workspace: Sandbox, extend: str = "words += dep[Words].words") -> None:
    """Three packages, each of which says its word and depends on the one before."""
    workspace.write("rules/say.bzl", SAY.format(extend=extend))
    workspace.write("rules/BUILD", "")
    before = ""
    for name in ("one", "two", "three"):
        workspace.write(
            f"{name}/BUILD",
            'load("//rules:say.bzl", "say")\nprint("loading")\n'
            f'say(name = "{name}", word = "{name}", deps = [{before}], visibility = ["//visibility:public"])\n',
        )
        before = f'"//{name}"'


def test_an_edit_loads_its_package_and_calls_the_rules_that_see_another_result(workspace: Sandbox) -> None:
    saying(workspace)
    workspace.build("//...")
    workspace.said.clear()
    workspace.write("two/BUILD", (workspace.root / "two/BUILD").read_text() + "# the same\n")
    workspace.build("//...")
    assert [line.rpartition(": ")[2] for line in workspace.said] == ["loading", "saying two"]
    workspace.said.clear()
    workspace.write("two/BUILD", (workspace.root / "two/BUILD").read_text().replace('= "two", d', '= "2", d'))
    result = workspace.build("//...")
    words = [line.rpartition(": ")[2] for line in workspace.said]
    assert words == ["loading", "saying 2", "loading", "saying three"]
    assert result.executed == ("//two:two", "//three:three")


def test_what_a_target_provides_cannot_be_changed_by_another(workspace: Sandbox) -> None:
    saying(workspace, "dep[Words].words.append(ctx.attr.word)")
    with pytest.raises(BuildFileError, match="may not change a list of //one:one, which is frozen"):
        workspace.build("//...")


def test_a_damaged_record_of_a_package_is_made_again(workspace: Sandbox) -> None:
    saying(workspace)
    expected = workspace.digest("//three")
    (records,) = (workspace.home / "index").glob("*/*.records")
    records.write_bytes(bytes(byte ^ 1 for byte in records.read_bytes()))
    workspace.write("two/BUILD", (workspace.root / "two/BUILD").read_text() + "# the same\n")
    assert workspace.digest("//three") == expected
    workspace.write("two/BUILD", (workspace.root / "two/BUILD").read_text() + "# again\n")
    assert workspace.digest("//three") == expected


def in_one_place(workspace: Sandbox, *targets: str) -> str:
    """Build a package of some targets beside others, and return what is where they are linked."""
    for name in ("x", "y"):
        workspace.write(f"{name}/BUILD", f'write_file(name = "{name}", content = "{name}")\n')
    workspace.write("place/BUILD", "\n".join(targets) + "\n")
    workspace.build("//...")
    path = workspace.root / "hermes-out/place/out"
    return path.read_text() if path.is_file() else "a folder"


A, B = (f'write_file(name = "{name}", filename = "out", content = "{name}")' for name in ("a", "b"))
BOTH = pytest.mark.parametrize(("other", "both"), [(B, "b"), ('files_layer(name = "out/b")', "a folder")])


@BOTH
def test_an_output_is_back_when_another_no_longer_takes_its_place(
    workspace: Sandbox, other: str, both: str
) -> None:
    assert in_one_place(workspace, A) == "a"
    assert in_one_place(workspace, A, other) == both
    assert in_one_place(workspace, A) == "a"


@BOTH
def test_of_outputs_in_one_place_the_last_is_there_whichever_changed(
    workspace: Sandbox, other: str, both: str
) -> None:
    assert in_one_place(workspace, other) == both
    assert in_one_place(workspace, A, other) == both
    assert in_one_place(workspace, A.replace('content = "a"', 'content = "c"'), other) == both


def test_what_a_broken_target_needs_is_built_beside_it(workspace: Sandbox) -> None:
    for name in ("x", "y", "z"):
        workspace.write(
            f"{name}/BUILD",
            f'write_file(name = "{name}", content = "{name}", visibility = ["//visibility:public"])\n',
        )
    workspace.build("//...")
    workspace.write(
        "z/BUILD",
        'filegroup(name = "z", srcs = ["//x", "//y:nothing"])\nwrite_file(name = "w", content = "w")\n',
    )
    with pytest.raises(BuildFailed) as caught:
        workspace.build("//...", keep_going=True)
    assert list(caught.value.failures) == ["//z:z"]
    assert (workspace.root / "hermes-out/z/w").read_text() == "w"
