"""What of a lock is installed, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hermes.errors import LockError
from hermes.image.platform import Platform
from hermes.node.install import Install, Wanted, install_of
from hermes.node.package_lock import Form
from hermes.node.target import NodeTarget
from tests.unit.node.packages import Project, everything, integrity, lock_of

ADDRESS = "https://npm.example.org"
ALL = Wanted()
USUAL = NodeTarget.of("20", Platform.parse("linux/amd64"), "glibc")


def read(
    files: dict[str, bytes], wanted: Wanted = ALL, target: NodeTarget = USUAL, *manifests: str
) -> Install:
    return install_of(
        "app/package-lock.json", lambda path: files[path.removeprefix("app/")], target, wanted, manifests
    )


def of(project: Project, wanted: Wanted = ALL, target: NodeTarget = USUAL) -> Install:
    files = {
        "package-lock.json": project.lock(),
        **{path: one.encode() for path, one in project.sources.items()},
    }
    manifests = [f"app/{one}" for one in project.sources if one.endswith("package.json")]
    return read(files, wanted, target, *manifests)


def locations(found: Install) -> list[str]:
    return [one.location.removeprefix("node_modules/") for one in found.archives]


EVERY = [
    "@native/any", "@native/glibc", "@s/b", "@s/b/node_modules/a", "a", "both", "deep", "holder", "host", "native", "other",
    "peered", "tool", "packages/web/node_modules/a",
]  # fmt: skip


def test_what_is_for_the_platform_is_installed_and_nothing_that_only_the_rest_needs() -> None:
    assert locations(of(everything(ADDRESS))) == EVERY


@pytest.mark.parametrize(
    ("node", "platform", "libc", "more", "less"),
    [
        ("20", "linux/amd64", "musl", {"@native/musl"}, {"@native/glibc"}),
        ("20", "linux/arm64", "glibc", {"@native/arm"}, {"@native/glibc"}),
        ("99.1.0", "linux/amd64", "glibc", {"future", "later"}, set()),
        ("20", "linux/386", "glibc", set(), {"@native/glibc", "@native/any"}),
    ],
)
def test_the_target_decides_and_not_this_machine(
    node: str, platform: str, libc: str, more: set[str], less: set[str]
) -> None:
    found = of(everything(ADDRESS), target=NodeTarget.of(node, Platform.parse(platform), libc))
    assert set(locations(found)) == {*EVERY, *more} - less


@pytest.mark.parametrize(
    ("omit", "less"),
    [
        (("dev",), {"tool", "deep"}),
        (("peer",), {"host"}),
        (("optional",), {"native", "@native/any", "@native/glibc"}),
        (("dev", "optional", "peer"), {"tool", "deep", "host", "native", "@native/any", "@native/glibc"}),
    ],
)
def test_kinds_of_dependencies_are_omitted(omit: tuple[str, ...], less: set[str]) -> None:
    found = of(everything(ADDRESS), Wanted(omit))
    assert set(locations(found)) == set(EVERY) - less
    noted = json.loads(found.note)["packages"]
    assert not {f"node_modules/{one}" for one in less} & noted.keys()


def test_links_lead_to_workspaces_and_programs_and_the_first_of_one_name_counts() -> None:
    found = of(everything(ADDRESS))
    assert [(one.location, one.target) for one in found.links] == [
        ("node_modules/web", "../packages/web"),
        ("node_modules/.bin/web", "../web/bin/web.js"),
    ]
    bins = {one.path: one.file for archive in found.archives for one in archive.bins}
    assert bins["node_modules/.bin/a"] == "node_modules/a/cli.js"
    assert bins["node_modules/@s/b/node_modules/.bin/a"] == "node_modules/@s/b/node_modules/a/cli.js"
    assert bins["node_modules/.bin/real"] == "node_modules/other/x.js"
    holder = next(one for one in found.archives if one.name == "holder")
    assert [one.path for one in holder.bins] == ["node_modules/holder/node_modules/.bin/inner"]


def test_an_alias_is_asked_for_under_its_own_name_where_the_lock_has_no_address() -> None:
    project = everything(ADDRESS)
    for entry in project.entries.values():
        entry.pop("resolved", None) if "link" not in entry else None
    found = {one.location: one.address for one in of(project).archives}
    assert found["node_modules/other"] == "real@2.0.0"
    assert found["node_modules/@s/b"] == "@s/b@1.0.0"


def test_what_is_excluded_goes_with_what_is_below_it() -> None:
    found = of(everything(ADDRESS), Wanted(exclude=("@s/b", "tool")))
    assert set(locations(found)) == set(EVERY) - {"@s/b", "@s/b/node_modules/a", "tool"}
    with pytest.raises(LockError, match=r"exclude: nothing is not in app/package-lock\.json"):
        of(everything(ADDRESS), Wanted(exclude=("nothing",)))


def test_peers_mean_nothing_in_the_old_way() -> None:
    assert "host" not in locations(of(everything(ADDRESS), Wanted(legacy_peers=True)))


ONE = {"version": "1.0.0", "resolved": f"{ADDRESS}/a.tgz", "integrity": integrity(b"x")}


def of_one(**more: Any) -> dict[str, bytes]:
    entry = {key: value for key, value in (ONE | more).items() if value is not None}
    return {"package-lock.json": lock_of({"": {"dependencies": {"a": "*"}}, "node_modules/a": entry})}


REFUSED: dict[str, tuple[dict[str, bytes], str, str]] = {
    "version 1": (
        {"package-lock.json": lock_of({}, lockfileVersion=1)},
        "app/package-lock.json has lockfileVersion 1, which does not say where packages go",
        "run `npm install --package-lock-only` with npm 7 or later",
    ),
    "a version of the future": (
        {"package-lock.json": lock_of({}, lockfileVersion=4)},
        "has lockfileVersion 4; 2 and 3 are known",
        "write it with a version of npm",
    ),
    "another file": (
        {"package-lock.json": b"{}"},
        "is not a package-lock.json: it has no lockfileVersion",
        "npm install",
    ),
    "YAML": ({"package-lock.json": b"a: 1\n"}, "app/package-lock.json is not JSON: ", ""),
    "a list": ({"package-lock.json": b"[]"}, "app/package-lock.json is not a JSON object", ""),
    "an unknown integrity": (
        of_one(integrity="sha999-AAAA"),
        "a 1.0.0 has an integrity that is not known: 'sha999-AAAA' has no digest of a known algorithm",
        "expected sha512-",
    ),
    "a sha1": (
        of_one(integrity=integrity(b"x", "sha1")),
        "a 1.0.0 is locked by a sha1 alone, which can be forged",
        "say allow_sha1 = True",
    ),
    "no integrity": (of_one(integrity=None), "a 1.0.0 has no integrity in the lock", "remove its entry"),
    "git": (
        of_one(resolved="git+ssh://git@git.example.org/a.git#0123"),
        "a 1.0.0 comes from git (git+ssh://git@git.example.org/a.git#0123), which has no digest",
        "exclude it",
    ),
    "another scheme": (
        of_one(resolved="ftp://x/a.tgz"),
        "has the address 'ftp://x/a.tgz', which is not supported",
        "",
    ),
    "another platform": (
        of_one(os=["win32"]),
        "a 1.0.0 is not for Node.js 20 on linux/amd64 with glibc, only for win32",
        "",
    ),
    "a way out": (
        {"package-lock.json": lock_of({"": {}, "../../etc/node_modules/a": ONE})},
        "../../etc/node_modules/a is outside of the project's folder",
        "",
    ),
    "a way up": ({"package-lock.json": lock_of({"node_modules/../../a": ONE})}, "is not a location", ""),
    "a link to nothing": (
        {"package-lock.json": lock_of({"node_modules/a": {"resolved": "packages/a", "link": True}})},
        "node_modules/a links to 'packages/a', which is not in it",
        "",
    ),
    "dependencies as a list": (
        {"package-lock.json": lock_of({"": {"dependencies": ["a"]}})},
        "the project: dependencies is not an object",
        "",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_lock_that_cannot_be_installed_is_one_message(what: str) -> None:
    files, said, hint = REFUSED[what]
    with pytest.raises(LockError) as error:
        read(files)
    assert said in error.value.message
    assert hint in (error.value.hint or "")


def test_sha1_will_do_with_a_word() -> None:
    found = read(of_one(integrity=integrity(b"x", "sha1")), Wanted(sha1=True))
    assert found.archives[0].integrity == integrity(b"x", "sha1")


@pytest.mark.parametrize(
    ("kind", "spec", "said"),
    [
        ("dependencies", {"a": "^1.0.0"}, ""),
        ("dependencies", {"a": "latest"}, ""),
        ("devDependencies", {"a": "^1.0.0"}, ""),
        ("dependencies", {"a": "^2.0.0"}, "package.json requires a@^2.0.0, and it has a 1.0.0"),
        ("dependencies", {"a": "npm:b@1"}, "package.json requires a@npm:b@1, and it has a 1.0.0"),
        ("dependencies", {"a": "*", "b": "1"}, "package.json requires b@1, which is not in it"),
        (
            "optionalDependencies",
            {"a": "*", "b": "1"},
            "package.json has an optional b@1, which is not in it",
        ),
        ("dependencies", {}, "it has a, which package.json no longer requires"),
    ],
)
def test_a_lock_is_stale_that_does_not_satisfy_package_json(
    kind: str, spec: dict[str, str], said: str
) -> None:
    files = of_one() | {"package.json": json.dumps({"name": "project", kind: spec}).encode()}
    if not said:
        assert locations(read(files, ALL, USUAL, "app/package.json")) == ["a"]
        return
    with pytest.raises(LockError) as error:
        read(files, ALL, USUAL, "app/package.json")
    assert error.value.message == f"app/package-lock.json is stale: {said}"


def test_what_package_json_says_now_decides_what_is_for_development() -> None:
    files = of_one() | {"package.json": b'{"devDependencies": {"a": "*"}}'}
    assert locations(read(files, Wanted(("dev",)), USUAL, "app/package.json")) == []


@pytest.mark.parametrize(
    ("node", "libc", "said"),
    [
        ("twenty", "glibc", "expected a version of Node.js such as 20"),
        ("20", "uclibc", "expected glibc or musl"),
    ],
)
def test_a_target_that_is_malformed_is_refused(node: str, libc: str, said: str) -> None:
    with pytest.raises(LockError, match=said):
        NodeTarget.of(node, Platform.parse("linux/amd64"), libc)


def test_what_npm_notes_is_laid_out_as_package_json_and_else_as_usual() -> None:
    assert Form.of(b'{\r\n\t"name": "a"\r\n}') == ("\t", "\r\n")
    assert Form.of(b'{"name":"a","version":"1.0.0"}') == Form.of(b"{}") == ("  ", "\n")
