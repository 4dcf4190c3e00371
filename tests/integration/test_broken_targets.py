"""Queries and builds of a workspace whose targets cannot all be built."""

from __future__ import annotations

from tests.conftest import Sandbox

BUILD = """
config_setting(name = "fast", values = {"speed": "fast"})
filegroup(name = "a", srcs = ["a.txt"])
filegroup(name = "b", srcs = ["b.txt"])
filegroup(name = "chosen", srcs = select({":fast": [":a"]}) + [":b"])
filegroup(name = "user", srcs = [":chosen"])
"""


def test_a_select_without_a_match_is_listed_with_all_that_it_may_mean(workspace: Sandbox) -> None:
    workspace.write("p/BUILD", BUILD)
    workspace.write("p/a.txt", "")
    workspace.write("p/b.txt", "")
    listed = workspace.run("query", "//...")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.split() == ["//p:a", "//p:b", "//p:chosen", "//p:user"]
    below = workspace.run("query", "deps(//p:user)")
    assert below.stdout.split() == ["//p:a", "//p:b", "//p:chosen", "//p:user"]
    refused = workspace.run("build", "//p:user")
    assert refused.returncode == 2
    assert "p/BUILD:5:" in refused.stderr


def test_a_workspace_without_targets_is_told_to_declare_one(workspace: Sandbox) -> None:
    workspace.write("p/BUILD", "")
    done = workspace.run("query", "//...")
    assert done.returncode == 2
    assert "declare one in a BUILD file" in done.stderr


def test_keep_going_builds_what_can_be_analyzed_and_tells_every_error(workspace: Sandbox) -> None:
    workspace.write("p/BUILD", BUILD + 'files_layer(name = "hidden", srcs = ["//q:q"])\n')
    workspace.write("p/a.txt", "")
    workspace.write("p/b.txt", "")
    workspace.write(
        "q/BUILD", 'filegroup(name = "q", srcs = ["q.txt"], visibility = ["//visibility:private"])\n'
    )
    workspace.write("q/q.txt", "")
    workspace.write("bad/BUILD", "filegroup(name = 1)\n")
    workspace.write("worse/BUILD", "filegroup(\n")
    workspace.write("good/BUILD", 'files_layer(name = "layer", srcs = ["f.txt"])\n')
    workspace.write("good/f.txt", "")
    done = workspace.run("build", "-k", "//...")
    assert done.returncode != 0
    for place in ("p/BUILD:5:", "p/BUILD:7:", "bad/BUILD:1:", "worse/BUILD:"):
        assert done.stderr.count(place) == 1, done.stderr
    assert [path.name.partition(".")[0] for path in (workspace.root / "hermes-out/good").iterdir()] == [
        "layer"
    ]
    again = workspace.run("build", "-k", "//...")
    assert again.returncode == done.returncode
    assert "p/BUILD:5:" in again.stderr
