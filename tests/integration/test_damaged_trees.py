"""Extracted layers that somebody changed, or that lost bits: not used, found by ``cache verify``, and made again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hermes.layer.trees import seal
from tests.conftest import Sandbox
from tests.integration.conftest import OrdinaryUser, add_base
from tests.integration.shell import Shell

DATA = "the content that was built\n"
READ = "stat -c '%n %F %a %u %g %Y' /data/* > /srv/seen; cat /data/f /data/h >> /srv/seen; ls -R /data >> /srv/seen; readlink /data/l >> /srv/seen"


MANY = iter(range(1000))
"""Makes a command another one, so that it is run again."""


def write_build(sandbox: Sandbox, read: str = READ) -> None:
    """``:data`` has a blob and gets a tree; ``:made`` is the layer of a command, and has only a tree."""
    sandbox.write("f", DATA)
    sandbox.write(
        "BUILD",
        'files_layer(name = "data", files = {"/data/f": "f", "/data/g": "f"}, symlinks = {"/data/l": "f"})\n'
        'run_layer(name = "made", base = ["//base:root", ":data"], cmd = "echo made > /data/m; ln /data/m /data/h;'
        ' mkdir /data/d; echo x > /data/d/x; mkfifo /data/p; rm /data/g")\n'
        f'run_layer(name = "seen", base = ["//base:root", ":data", ":made"], cmd = """{read}""")\n'
        'image(name = "image", base = "//base:root", layers = [":data", ":made", ":seen"], cmd = ["cat", "/srv/seen"])\n',
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """A workspace whose store is damaged by one test after the other."""
    folder = tmp_path_factory.mktemp("damaged")
    sandbox = Sandbox(folder / "workspace", folder / "home")
    add_base(sandbox)
    return sandbox


@pytest.fixture
def built(shared: Sandbox) -> Sandbox:
    write_build(shared, f"echo {next(MANY)}; {READ}")
    shared.build("//:image")
    return shared


def tree_with(home: Path, path: str) -> Path:
    """The root of the one tree that has a path."""
    (found,) = (one / "root" for one in (home / "trees").iterdir() if os.path.lexists(one / "root" / path))
    return found


def rot(path: Path) -> None:
    """Flip a bit of a file, with its size and time as they were."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replaced(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


CHANGES: dict[str, Callable[[Path, Path], object]] = {
    "a flipped bit": lambda data, _: rot(data / "data/f"),
    "a flipped bit in a command's layer": lambda _, made: rot(made / "data/m"),
    "another mode": lambda data, _: (data / "data/f").chmod(0o600),
    "another owner": lambda _, made: os.chown(made / "data/d", 7, 7),
    "another time": lambda data, _: os.utime(data / "data/f", (5, 5)),
    "a file more": lambda data, _: (data / "data/more").write_text("x"),
    "a file less": lambda _, made: (made / "data/d/x").unlink(),
    "another link": lambda data, _: replaced(data / "data/l"),
    "a whiteout less": lambda _, made: (made / "data/g").unlink(),
    "a hard link less": lambda _, made: replaced(made / "data/h"),
    "an attribute more": lambda data, _: os.setxattr(data / "data/f", "user.x", b"y"),
    "no tree": lambda data, _: data.rename(data.with_name("away")),
    "directories that are said to be passed": lambda data, _: (data.parent / "parents").write_text(
        "[[], []]"
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_tree_is_made_again_before_a_command_sees_it(built: Sandbox, name: str) -> None:
    right = built.digest("//:seen")
    home = built.home
    CHANGES[name](tree_with(home, "data/f"), tree_with(home, "data/m"))
    write_build(built, f"echo {next(MANY)}; {READ}")
    assert built.digest("//:seen") == right


@pytest.mark.parametrize("name", CHANGES)
def test_verify_finds_what_a_tree_lost_without_a_word_of_its_status(built: Sandbox, name: str) -> None:
    if name in {"no tree", "directories that are said to be passed"}:
        pytest.skip("not a part of the tree")
    data, made = tree_with(built.home, "data/f"), tree_with(built.home, "data/m")
    CHANGES[name](data, made)
    for one in (data, made):
        seal(str(one.parent))
    done = built.run("cache", "verify")
    assert done.returncode == 1, done.stdout
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith("the tree of layer sha256:")
    assert done.stdout.endswith(" is damaged: removed\n")
    assert built.run("cache", "verify").returncode == 0


def test_verify_finds_nothing_in_whole_trees_of_every_kind(built: Sandbox) -> None:
    assert built.run("run", "-q", "//:image").returncode == 0
    assert len(list((built.home / "trees").iterdir())) == 4
    done = built.run("cache", "verify")
    assert (done.returncode, done.stdout) == (0, "everything in the store is as it should be\n")


def test_a_tree_that_was_only_touched_stays(built: Sandbox) -> None:
    """Another time of change alone is no damage: the tree is read once, and good again."""
    root = tree_with(built.home, "data/f")
    inode = root.stat().st_ino
    os.link(root / "data/f", built.root / "name")
    (built.root / "name").unlink()
    write_build(built, f"echo {next(MANY)}; {READ}")
    built.digest("//:seen")
    assert tree_with(built.home, "data/f").stat().st_ino == inode


def test_programs_are_not_started_in_a_changed_tree(built: Sandbox) -> None:
    right = built.run("run", "-q", "//:image").stdout
    assert DATA in right
    rot(tree_with(built.home, "data/f") / "data/f")
    rot(tree_with(built.home, "srv/seen") / "srv/seen")
    assert built.run("run", "-q", "//:image").stdout == right


def test_containers_are_not_mounted_on_a_changed_tree(ctr: Shell) -> None:
    name = ctr("from", "//base:root")
    ctr("run", name, "--", "sh", "-c", "echo x > /etc/x")
    ctr("commit", name, "image")
    before = ctr("run", name, "--", "cat", "/etc/x")
    rot(tree_with(ctr.sandbox.home, "etc/x") / "etc/x")
    assert ctr("run", name, "--", "cat", "/etc/x") == before


def test_trees_of_other_users_files_are_checked(ordinary_user: OrdinaryUser) -> None:
    workspace = ordinary_user.workspace
    add_base(workspace)
    private = "echo %s > /srv/f; chmod 700 /srv; chown 5:6 /srv"
    workspace.write(
        "BUILD",
        f'run_layer(name = "made", base = "//base:root", cmd = "{private % "a"}")\n'
        'run_layer(name = "seen", base = ["//base:root", ":made"], cmd = "cat /srv/f > /etc/seen")\n',
    )
    ordinary_user.run("build", "-q", "//:seen")
    assert (
        ordinary_user.run("cache", "verify", own=False).stdout
        == "everything in the store is as it should be\n"
    )
    rot(tree_with(ordinary_user.home, "srv/f") / "srv/f")
    assert "the tree of layer" in ordinary_user.run("cache", "verify", check=False, own=False).stdout
