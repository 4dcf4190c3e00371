"""What packages give each other: files, groups of packages, and single outputs, as Bazel has them."""

from __future__ import annotations

import pytest

from hermes.errors import BuildFileError, HermesError, VisibilityError
from tests.conftest import Sandbox

RULES = """\
def _impl(ctx):
    return [DefaultInfo(files = [ctx.actions.write(name, name) for name in ctx.attr.outs])]

several = rule(implementation = _impl, attrs = {"outs": attr.output_list(doc = "Files.")}, doc = "Makes files.")

def named(name):
    write_file(name = name, content = "//" + package_name())
"""

OWNER = """\
load("//rules:own.bzl", "named", "several")

exports_files(["a.txt"])
exports_files(["b.txt"], visibility = [":friends"])
package_group(name = "friends", packages = ["//user/..."], includes = ["//groups:more"])
several(name = "made", outs = ["one", "sub/two", "made"], visibility = ["//user:__pkg__"])
named(name = "place")
filegroup(name = "grouped", srcs = [":place"], visibility = [":friends"])
"""

USER = """\
files_layer(name = "l", files = {"/a": "//owner:a.txt", "/b": "//owner:b.txt", "/1": "//owner:one", "/2": "//owner:sub/two"})
filegroup(name = "place", srcs = ["//owner:grouped"])
"""


@pytest.fixture
def packages(workspace: Sandbox) -> Sandbox:
    for name in ("a", "b", "c"):
        workspace.write(f"owner/{name}.txt", name)
    workspace.write("rules/BUILD", "")
    workspace.write("rules/own.bzl", RULES)
    workspace.write(
        "groups/BUILD", 'package_group(name = "more", packages = ["//other", "//far/...", "-//far/off"])\n'
    )
    workspace.write("owner/BUILD", OWNER)
    workspace.write("user/BUILD", USER)
    return workspace


def problem(workspace: Sandbox, label: str) -> str:
    with pytest.raises(HermesError) as caught:
        workspace.build(label)
    return caught.value.render()


def test_a_package_uses_exported_files_and_single_outputs_of_another(packages: Sandbox) -> None:
    first = packages.digest("//user:l")
    packages.write("owner/a.txt", "changed")
    assert packages.digest("//user:l") != first
    packages.write("owner/a.txt", "a")
    assert packages.digest("//user:l") == first
    built = packages.build("//user:place", "//owner:sub/two").targets
    for label, text in (("//user:place", "//owner"), ("//owner:sub/two", "sub/two")):
        (output,) = built[label]
        assert (packages.root / output.path).read_text() == text
    assert "//owner:one" not in packages.build("//owner/...").targets


def test_groups_say_who_sees_what_and_a_change_of_them_counts_at_once(packages: Sandbox) -> None:
    use = 'filegroup(name = "f", srcs = ["//owner:b.txt", "//owner:grouped"])\n'
    for package, allowed in (
        ("user/deep", True),
        ("other", True),
        ("other/in", False),
        ("far/x", True),
        ("far/off", False),
    ):
        packages.write(f"{package}/BUILD", use)
        if allowed:
            packages.build(f"//{package}:f")
        else:
            assert f"//{package}:f may not use //owner:" in problem(packages, f"//{package}:f")
    packages.write("groups/BUILD", 'package_group(name = "more", packages = ["//far"])\n')
    for label in ("//other:f", "//far/x:f"):
        with pytest.raises(VisibilityError, match=f"{label} may not use //owner:b.txt"):
            packages.build(label)
    packages.write("groups/BUILD", 'package_group(name = "more", packages = ["public"])\n')
    packages.build("//other:f", "//far/x:f", "//far/off:f")


def test_what_is_not_exported_or_not_a_group_is_one_error(packages: Sandbox) -> None:
    packages.write("other/BUILD", 'filegroup(name = "f", srcs = ["//owner:c.txt"])\n')
    assert 'exports_files(["c.txt"]) in owner/BUILD' in problem(packages, "//other:f")
    for line, said in (
        ('exports_files(["d.txt"])', 'there is no file "d.txt" in //owner'),
        ('package_group(name = "g", packages = ["owner"])', "'owner' is not a package"),
        ('package_group(name = "g", packages = ["//a:b"])', "'//a:b' is not a package"),
        ('filegroup(name = "x", visibility = [":nowhere"])', "//owner:nowhere is not a package_group"),
        ('filegroup(name = "friends")', "//owner:friends is a package_group, too"),
    ):
        packages.write("owner/BUILD", f"{OWNER}{line}\n")
        assert said in problem(packages, "//owner:all")
    packages.write("owner/BUILD", OWNER)
    packages.write("rules/own.bzl", f"{RULES}\nNAME = package_name()\n")
    with pytest.raises(BuildFileError, match="while a BUILD file is being loaded"):
        packages.build("//user:l")
