"""Locks of every format name the same for the same target, and what is wrong with one is said with its place."""

from __future__ import annotations

import pytest

from hermes.errors import LockError
from hermes.image.platform import Platform
from hermes.python.locks import Wanted, pins_of
from hermes.python.pins import Pin
from hermes.python.target import PythonTarget

A, B, C = "a" * 64, "b" * 64, "c" * 64
AMD64 = PythonTarget.of("3.11", Platform.parse("linux/amd64"), "glibc-2.28")
ARM64 = AMD64._replace(platform=Platform.parse("linux/arm64"))

PLAIN = Wanted()

UV = f"""\
version = 1
requires-python = ">=3.11"

[[package]]
name = "app"
version = "0.1"
source = {{ virtual = "." }}
dependencies = [
    {{ name = "lib" }},
    {{ name = "fast", version = "1.0", marker = "python_full_version < '3.12'" }},
    {{ name = "fast", version = "2.0", marker = "python_full_version >= '3.12'" }},
    {{ name = "winonly", marker = "sys_platform == 'win32'" }},
    {{ name = "client", extra = ["socks"] }},
]
[package.optional-dependencies]
web = [{{ name = "server" }}]
[package.dev-dependencies]
dev = [{{ name = "checker" }}]
[package.metadata]
provides-extras = ["web", "empty"]

[[package]]
name = "lib"
version = "0.1"
source = {{ editable = "packages/lib" }}
dependencies = [{{ name = "base" }}]

[[package]]
name = "fast"
version = "1.0"
source = {{ registry = "https://index.example/simple" }}
sdist = {{ url = "https://files.example/fast-1.0.tar.gz", hash = "sha256:{C}", size = 9 }}
wheels = [
    {{ url = "https://files.example/fast-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", hash = "sha256:{A}", size = 11 }},
    {{ url = "https://files.example/fast-1.0-cp311-cp311-manylinux_2_28_x86_64.whl", hash = "sha256:{B}", size = 12 }},
    {{ url = "https://files.example/fast-1.0-cp311-cp311-manylinux_2_34_x86_64.whl", hash = "sha256:{C}", size = 13 }},
    {{ url = "https://files.example/fast-1.0-cp311-cp311-win_amd64.whl", hash = "sha256:{C}", size = 14 }},
]

[[package]]
name = "fast"
version = "2.0"
source = {{ registry = "https://index.example/simple" }}
wheels = [{{ url = "https://files.example/fast-2.0-py3-none-any.whl", hash = "sha256:{A}" }}]
"""
for _name in ("base", "client", "socks", "server", "checker", "winonly"):
    UV += f"""
[[package]]
name = "{_name}"
version = "1"
source = {{ registry = "https://index.example/simple" }}
wheels = [{{ url = "https://files.example/{_name}-1-py3-none-any.whl", hash = "sha256:{A}", size = 7 }}]
"""
    if _name == "client":
        UV += '[package.optional-dependencies]\nsocks = [{ name = "socks" }]\n'

PYLOCK = f"""\
lock-version = "1.0"
created-by = "a tool"
requires-python = ">=3.11"
extras = ["web"]
dependency-groups = ["dev"]

[[packages]]
name = "fast"
version = "1.0"
marker = "python_version < '3.12'"
wheels = [
    {{ name = "fast-1.0-cp311-cp311-manylinux_2_28_x86_64.whl", path = "x.whl", size = 12, hashes = {{ sha256 = "{B}" }} }},
    {{ url = "https://files.example/fast-1.0-cp311-cp311-win_amd64.whl", hashes = {{ sha256 = "{A}" }} }},
]
[[packages]]
name = "server"
version = "1"
marker = "'web' in extras"
wheels = [{{ url = "https://files.example/server-1-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}]
[[packages]]
name = "checker"
version = "1"
marker = "'dev' in dependency_groups"
wheels = [{{ url = "https://files.example/checker-1-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}]
"""

REQUIREMENTS = f"""\
# made by hand
--index-url https://index.example/simple
Fast_Thing[extra]==1.0 ; python_version < '3.12' \\
    --hash=sha256:{A} \\
    --hash=sha256:{B}
    # via app
winonly==1 ; sys_platform == 'win32' --hash=sha256:{C}
-r more.txt   # what is shared
-c constraints.txt
direct @ https://files.example/direct-3.1-py3-none-any.whl#sha256={C}
"""


def names(path: str, text: str, target: PythonTarget = AMD64, wanted: Wanted = PLAIN) -> list[str]:
    return [f"{one.name} {one.version}" for one in read(path, text, target, wanted)]


def read(
    path: str, text: str, target: PythonTarget = AMD64, wanted: Wanted = PLAIN, **files: str
) -> list[Pin]:
    texts = {path: text, **{f"p/{name}.txt": one for name, one in files.items()}}
    return pins_of(path, lambda name: texts[name].encode(), target, wanted)


def refused(path: str, text: str, target: PythonTarget = AMD64, wanted: Wanted = PLAIN, **files: str) -> str:
    with pytest.raises(LockError) as error:
        read(path, text, target, wanted, **files)
    return error.value.render()


def test_uv_lock_gives_what_the_project_needs_on_the_target() -> None:
    assert names("p/uv.lock", UV) == ["base 1", "client 1", "fast 1.0", "socks 1"]
    newer = AMD64._replace(python="3.12")
    assert "fast 2.0" in names("p/uv.lock", UV, newer)


def test_uv_lock_gives_extras_and_groups_that_are_asked_for() -> None:
    more = set(names("p/uv.lock", UV, wanted=Wanted(extras=("Web",), groups=("dev",)))) - set(
        names("p/uv.lock", UV)
    )
    assert more == {"server 1", "checker 1"}
    assert names("p/uv.lock", UV, wanted=Wanted(extras=("empty",))) == names("p/uv.lock", UV)
    assert "it has web" in refused("p/uv.lock", UV, wanted=Wanted(extras=("wbe",)))
    assert "no dependency group 'test'" in refused("p/uv.lock", UV, wanted=Wanted(groups=("test",)))


def test_uv_lock_gives_one_member_of_a_workspace() -> None:
    assert names("p/uv.lock", UV, wanted=Wanted(project="lib")) == ["base 1"]
    assert "it has app, lib" in refused("p/uv.lock", UV, wanted=Wanted(project="other"))


def test_the_newest_wheel_that_the_c_library_allows_is_chosen() -> None:
    (fast,) = (one for one in read("p/uv.lock", UV) if one.name == "fast")
    assert fast.filename == "fast-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"
    assert (fast.sha256, fast.size) == ((B,), 12)
    (newest,) = (
        one for one in read("p/uv.lock", UV, AMD64._replace(libc="glibc-2.36")) if one.name == "fast"
    )
    assert newest.filename.endswith("manylinux_2_34_x86_64.whl")


def test_a_missing_wheel_is_an_error_that_names_those_there_are() -> None:
    said = refused("p/uv.lock", UV, ARM64)
    assert said.startswith(
        "fast 1.0 has no wheel for Python 3.11 on linux/arm64 with glibc 2.28; there are\n"
    )
    assert "fast-1.0-cp311-cp311-win_amd64.whl" in said
    only_new = UV.replace("manylinux_2_17_x86_64", "manylinux_2_31_x86_64").replace(
        "2_28_x86_64", "2_35_x86_64"
    )
    assert 'say libc = "glibc-2.31"' in refused("p/uv.lock", only_new)
    assert "source distribution only" in refused(
        "p/uv.lock", "\n".join(line for line in UV.splitlines() if "fast-1.0-cp311" not in line)
    )


def test_a_source_distribution_is_taken_where_it_is_allowed() -> None:
    (fast,) = (one for one in read("p/uv.lock", UV, ARM64, Wanted(sources=("Fast",))) if one.name == "fast")
    assert (fast.filename, fast.sha256) == ("fast-1.0.tar.gz", (C,))
    (wheel,) = (one for one in read("p/uv.lock", UV, wanted=Wanted(sources=("fast",))) if one.name == "fast")
    assert wheel.filename.endswith(".whl")


def test_extras_that_exclude_each_other_are_decided_by_those_that_are_wanted() -> None:
    text = UV.replace(
        '{ name = "lib" },',
        '{ name = "server", marker = "extra == \'extra-3-app-web\'" },\n'
        '{ name = "checker", marker = "extra != \'extra-3-app-web\'" },',
    )
    assert names("p/uv.lock", text) == ["checker 1", "client 1", "fast 1.0", "socks 1"]
    assert names("p/uv.lock", text, wanted=Wanted(extras=("web",))) == [
        "client 1",
        "fast 1.0",
        "server 1",
        "socks 1",
    ]


def test_pylock_gives_what_its_markers_say() -> None:
    assert names("p/pylock.toml", PYLOCK) == ["fast 1.0"]
    both = Wanted(extras=("web",), groups=("dev",))
    assert names("p/pylock.web.toml", PYLOCK, wanted=both) == ["checker 1", "fast 1.0", "server 1"]
    (fast,) = read("p/pylock.toml", PYLOCK)
    assert (fast.filename, fast.size, fast.url) == ("fast-1.0-cp311-cp311-manylinux_2_28_x86_64.whl", 12, "")
    assert "has no wheel for" in refused("p/pylock.toml", PYLOCK, ARM64)
    assert "Undeclared extras: cli" in refused("p/pylock.toml", PYLOCK, wanted=Wanted(extras=("cli",)))
    assert ">=3.11" in refused("p/pylock.toml", PYLOCK, AMD64._replace(python="3.10"))


def test_requirements_give_all_digests_of_a_version() -> None:
    pins = read("p/requirements.txt", REQUIREMENTS, more=f"shared==2 --hash sha256:{A}\n", constraints="x<3")
    assert pins == [
        Pin("direct", "3.1", "direct-3.1-py3-none-any.whl", (C,), None, pins[0].url, direct=True),
        Pin("fast-thing", "1.0", "", (A, B)),
        Pin("shared", "2", "", (A,)),
    ]
    assert pins[0].url == "https://files.example/direct-3.1-py3-none-any.whl"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("flask>=2", "p/r.txt:1: flask>=2 does not pin one version"),
        ("\nflask==2.*", "p/r.txt:2: flask==2.* does not pin one version"),
        ("flask", "p/r.txt:1: flask does not pin one version"),
        ("flask==2", "p/r.txt:1: flask has no sha256 hash"),
        ("flask==2 --hash=md5:0", "p/r.txt:1: a hash by md5 cannot be relied on"),
        ("flask==2 --hash=sha256:0", "p/r.txt:1: '0' is not a sha256"),
        (
            f"a==1 --hash=sha256:{A}\nA==2 --hash=sha256:{A}",
            "p/r.txt:2: a is pinned a second time, after p/r.txt:1",
        ),
        (
            "-e git+https://h.example/x.git",
            "p/r.txt:1: an editable requirement 'git+https://h.example/x.git' is not",
        ),
        ("-e ../..", "p/r.txt:1: ../.. is outside of the workspace"),
        ("--no-deps", "p/r.txt:1: the option --no-deps is not known"),
        ("./x.whl", "p/r.txt:1: invalid requirement './x.whl'"),
        (
            "x @ git+https://h.example/x.git@main",
            "p/r.txt:1: x comes from git, and main is not a commit",
        ),
        (f"x @ git+https://h.example/x.git@{A[:40]}", "p/r.txt:1: x comes from git, so it has no wheel"),
        ("x @ ./x.whl", "p/r.txt:1: x comes from a file, which is not supported"),
        ("x @ https://h.example/x-1-py3-none-any.whl", "p/r.txt:1: x needs one sha256 hash, and has 0"),
        ("-r ../../etc/passwd", "p/r.txt:1: ../../etc/passwd is outside of the workspace"),
        ("-r /etc/passwd", "p/r.txt:1: /etc/passwd is outside of the workspace"),
        ("x==1 ; python_version << '3'", "p/r.txt:1: invalid requirement"),
        ("-r r.txt", "p/r.txt: requirements files include each other too deeply"),
    ],
)
def test_a_line_that_locks_nothing_is_named(text: str, said: str) -> None:
    assert refused("p/r.txt", text).startswith(said)


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("p/uv.lock", "version = 1\nx", "p/uv.lock is not TOML: "),
        ("p/uv.lock", "version = 2\n", "p/uv.lock: expected version 1 of uv.lock, got 2"),
        ("p/uv.lock", "version = 1\n", "p/uv.lock does not say which project is meant"),
        (
            "p/pylock.toml",
            'lock-version = "2.0"\ncreated-by = "x"\npackages = []',
            "p/pylock.toml: pylock version 2.0",
        ),
        ("p/pylock.toml", 'created-by = "x"', "p/pylock.toml is not a valid pylock.toml: "),
        ("p/pyproject.toml", "", "p/pyproject.toml is not a lock"),
        (
            "p/uv.lock",
            UV.replace('name = "base"\nversion', 'name = "bse"\nversion'),
            "p/uv.lock: base is needed, and 0",
        ),
        (
            "p/uv.lock",
            UV.replace(f'"sha256:{A}", size = 7', f'"md5:{A}", size = 7'),
            "p/uv.lock: base-1-py3-none-any.whl has",
        ),
        (
            "p/uv.lock",
            UV.replace(">=3.11", ">=3.13"),
            "p/uv.lock is for Python >=3.13, and the target has 3.11",
        ),
        ("p/uv.lock", UV.replace("'win32'", "'win32"), "p/uv.lock: winonly has an invalid marker"),
    ],
)
def test_a_lock_that_is_wrong_is_refused(path: str, text: str, said: str) -> None:
    assert refused(path, text).startswith(said)


def test_extras_of_a_plain_list_are_refused() -> None:
    assert "has no extras, groups and projects" in refused("p/r.txt", "", wanted=Wanted(extras=("web",)))


COMMIT = A[:40]
TREES = {
    "p/uv.lock": f"""\
version = 1
[[package]]
name = "app"
source = {{ virtual = "." }}
dependencies = [{{ name = "lib" }}, {{ name = "own" }}, {{ name = "left" }}]
[[package]]
name = "lib"
version = "1.0"
source = {{ git = "https://h.example/lib.git?subdirectory=python%2Flib&rev=v1#{COMMIT}" }}
[[package]]
name = "own"
version = "0.1"
source = {{ editable = "../packages/own" }}
[[package]]
name = "left"
source = {{ directory = "left" }}
""",
    "p/pylock.toml": f"""\
lock-version = "1.0"
created-by = "x"
[[packages]]
name = "lib"
version = "1.0"
vcs = {{ type = "git", url = "https://h.example/lib.git", commit-id = "{COMMIT}", subdirectory = "python/lib" }}
[[packages]]
name = "own"
version = "0.1"
directory = {{ path = "../packages/own" }}
[[packages]]
name = "left"
directory = {{ path = "left" }}
""",
    "p/requirements.txt": f"""\
lib @ git+https://h.example/lib.git@{COMMIT}#subdirectory=python/lib ; python_version > '3'
-e ../packages/own ; python_version > '3'
./left
""",
    "packages/own/pyproject.toml": "[project]\nname = 'own'\n",
    "p/left/pyproject.toml": "[project]\nname = 'left'\n",
}


@pytest.mark.parametrize("path", [one for one in TREES if "pyproject" not in one])
def test_source_trees_are_built_where_they_are_allowed(path: str) -> None:
    def read(asked: str) -> bytes:
        return TREES[asked].encode()

    lib, own = pins_of(path, read, AMD64, Wanted(sources=("lib", "own")))
    assert (lib.name, lib.git, lib.commit, lib.directory) == (
        "lib",
        "https://h.example/lib.git",
        COMMIT,
        "python/lib",
    )
    assert (own.name, own.directory, own.commit) == ("own", "packages/own", "")
    with pytest.raises(LockError, match=f"^{path}[:0-9]*: lib comes from git, so it has no wheel"):
        pins_of(path, read, AMD64, PLAIN)
    outside = {name: text.replace("../packages/own", "../../own") for name, text in TREES.items()}
    with pytest.raises(LockError, match=r"\.\./\.\./own.* outside of the workspace"):
        pins_of(path, lambda asked: outside[asked].encode(), AMD64, Wanted(sources=("lib", "own")))
