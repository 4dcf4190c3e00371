"""``place``, ``select`` and ``copy``: what COPY means in a stack of layers.

Right values are those of docs.docker.com/reference/dockerfile/#copy, and of BuildKit where that says nothing.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from hermes.actions.specs.copy import Copy, CopyEntry
from hermes.actions.specs.list_files import ListFiles
from hermes.actions.specs.resolve_destination import Named, ResolveDestination
from hermes.engine.action import Value
from hermes.engine.key import Resolved
from hermes.errors import BuildError
from hermes.layer import encodings
from hermes.layer.compress import GZIP, ZSTD
from hermes.layer.entry import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry, whiteout
from tests.unit.actions.bench import Bench, file, folder, link

ONE_FILE = (Named("a", FILE),)


def placed(bench: Bench, *roots: Resolved, dest: str, **more: Any) -> dict[str, Any]:
    spec: ResolveDestination[Resolved] = ResolveDestination(
        dest=dest, roots=roots, **{"folder": dest.endswith("/"), "entries": ONE_FILE, "single": True, **more}
    )
    found: dict[str, Any] = bench.document(bench.run(spec)["destination"])
    return found


# Where a destination is.


@pytest.mark.parametrize(
    ("dest", "target", "is_folder"),
    [
        ("srv", "srv", True),  # a folder that is there
        ("srv/", "srv", True),
        ("new", "new", False),  # a name for the file
        ("new/", "new", True),
        ("to-srv", "srv", True),  # through a link
        ("to-srv/x", "srv/x", False),
        ("out/x", "etc/x", False),  # a link with too many dots ends at the root
        ("srv/f", "srv/f", False),  # a file is replaced
        ("", "", True),
    ],
)
def test_a_destination_is_where_a_process_in_the_root_would_find_it(
    bench: Bench, dest: str, target: str, is_folder: bool
) -> None:
    below = bench.layer(
        folder("srv"), file("srv/f"), folder("etc"), link("to-srv", "/srv"), link("out", "../../../etc")
    )
    found = placed(bench, below, dest=dest)
    assert (found["target"], found["is_folder"]) == (target, is_folder)


def test_missing_folders_are_named_from_the_top(bench: Bench) -> None:
    assert placed(bench, bench.layer(folder("a")), dest="a/b/c/")["missing"] == ["a/b", "a/b/c"]
    assert placed(bench, bench.layer(folder("a")), dest="a/b/file")["missing"] == ["a/b"]


def test_another_stack_with_the_same_destination_gives_the_same_place(bench: Bench) -> None:
    one = placed(bench, bench.layer(folder("srv")), dest="srv/")
    other = placed(
        bench, bench.layer(folder("srv")), bench.layer(folder("opt"), file("opt/x", 9)), dest="srv/"
    )
    assert one == other


def test_a_folder_that_was_removed_is_missing_again(bench: Bench) -> None:
    found = placed(bench, bench.layer(folder("srv")), bench.layer(whiteout("srv")), dest="srv/")
    assert found["missing"] == ["srv"]


def test_folders_on_the_way_are_described_as_they_are(bench: Bench) -> None:
    found = placed(bench, bench.layer(folder("srv", 0o1777, 5, 6)), dest="srv/x/")
    (row,) = found["above"]
    assert row[:5] == ["srv", DIRECTORY, 0o1777, 5, 6]


def test_a_folder_that_is_copied_onto_a_link_to_a_folder_goes_where_that_leads(bench: Bench) -> None:
    below = bench.layer(folder("srv"), link("srv/lib", "/usr/lib"), folder("usr"), folder("usr/lib"))
    found = placed(bench, below, dest="srv/", entries=(Named("lib", DIRECTORY),), single=False)
    assert found["moved"] == [["lib", "usr/lib"]]


@pytest.mark.parametrize(
    ("dest", "entries", "problem"),
    [
        ("file/x", ONE_FILE, "/file is a file of the image"),
        ("srv/", (Named("f", DIRECTORY),), "a folder would be copied onto /srv/f, a file of the image"),
        ("srv/", (Named("d", FILE),), "a file would be copied onto /srv/d, a folder of the image"),
        ("loop/x", ONE_FILE, "loop"),
    ],
)
def test_what_is_in_the_way_is_named(
    bench: Bench, dest: str, entries: tuple[Named, ...], problem: str
) -> None:
    below = bench.layer(
        file("file"),
        folder("srv"),
        file("srv/f"),
        folder("srv/d"),
        link("loop", "pool"),
        link("pool", "loop"),
    )
    with pytest.raises(BuildError, match=problem):
        placed(bench, below, dest=dest, entries=entries, single=False)


@pytest.mark.parametrize(("dest", "is_right"), [("x", False), ("x/", True), ("srv", True), ("file", False)])
def test_several_files_go_into_a_folder_alone(bench: Bench, dest: str, is_right: bool) -> None:
    """As Docker's reference says: "it must be a directory and end with a slash"; or it is there."""
    below = bench.layer(folder("srv"), file("file"))
    entries = (Named("a", FILE), Named("b", FILE))
    if is_right:
        assert placed(bench, below, dest=dest, entries=entries, single=False, several=True)["is_folder"]
        return
    with pytest.raises(
        BuildError, match=f"several things would be copied onto /{dest}, which is not a folder"
    ):
        placed(bench, below, dest=dest, entries=entries, single=False, several=True)


@pytest.mark.parametrize(
    ("owner", "ids"), [("", (0, 0)), ("33", (33, 33)), ("33:44", (33, 44)), ("0:7", (0, 7))]
)
def test_numbers_of_an_owner_need_no_files_of_the_image(
    bench: Bench, owner: str, ids: tuple[int, int]
) -> None:
    found = placed(bench, bench.layer(), dest="x", owner=owner)
    assert (found["uid"], found["gid"]) == ids


def test_a_name_that_the_image_does_not_know_is_an_error(bench: Bench) -> None:
    with pytest.raises(BuildError, match="web"):
        placed(bench, bench.layer(), dest="x", owner="web")


def test_links_below_are_followed_where_an_archive_is_unpacked(bench: Bench) -> None:
    below = bench.layer(
        folder("srv"),
        link("srv/l", "/opt"),
        link("srv/m", "../../d"),
        link("srv/n", "m"),
        link("srv/o", "f"),
        folder("opt"),
        folder("srv/d", 0o700),
        file("srv/f", 1),
    )
    found = placed(bench, below, dest="srv/", entries=(), single=False, unpacks=True)
    assert found["links"] == [["srv/l", "srv/opt"], ["srv/m", "srv/d"], ["srv/n", "srv/d"]]
    assert [row[:3] for row in found["inside"]] == [["srv/d", DIRECTORY, 0o700]]


# Which files a source means.


def selected(bench: Bench, *roots: Resolved, sources: tuple[str, ...], **more: Any) -> dict[str, Value]:
    spec: ListFiles[Resolved] = ListFiles(
        sources=sources,
        roots=roots,
        **{"from_": "the stage one", "keep_owners": True, "optional": False, "parents": False, **more},
    )
    return bench.run(spec)


def names(bench: Bench, outputs: dict[str, Value]) -> list[str]:
    return sorted(row[0] for row in bench.document(outputs["listing"])["entries"])


TREE = (
    folder("d", 0o750, 5, 6),
    file("d/a", 1, 0o600, 7, 8),
    folder("d/s"),
    file("d/s/b", 2),
    link("d/l", "a"),
    Entry("d/h", HARDLINK, 0o600, link="d/a"),
    link("to-d", "d"),
)


@pytest.mark.parametrize(
    ("sources", "more", "expected"),
    [
        (("/d",), {}, ["a", "h", "l", "s", "s/b"]),  # what is in a folder, not the folder
        (("/d",), {"whole": True}, ["", "a", "h", "l", "s", "s/b"]),
        (("/to-d",), {}, ["a", "h", "l", "s", "s/b"]),  # a link that is named is followed
        (("/d/a",), {}, ["a"]),
        (("/d/*",), {}, ["a", "b", "h", "l"]),  # of a folder that a pattern matches comes what is in it
        (("/d/s/b", "/d/a"), {}, ["a", "b"]),
        (("/d/s/b",), {"parents": True}, ["d", "d/s", "d/s/b"]),
        (("/d/./s/b",), {"parents": True}, ["s", "s/b"]),
        (("/d",), {"exclude": ("s", "l")}, ["a", "h"]),
        (("/d",), {"exclude": ("**/b",)}, ["a", "h", "l", "s"]),
        (("/none*",), {"optional": True}, []),
    ],
)
def test_a_source_means_what_docker_says(
    bench: Bench, sources: tuple[str, ...], more: dict[str, Any], expected: list[str]
) -> None:
    found = names(bench, selected(bench, bench.layer(*TREE), sources=sources, **more))
    assert found == expected


def test_owners_and_modes_of_what_is_copied_from_a_stage_stay(bench: Bench) -> None:
    outputs = selected(bench, bench.layer(*TREE), sources=("/d/a",))
    (row,) = bench.document(outputs["listing"])["entries"]
    assert row[:5] == ["a", FILE, 0o600, 7, 8]
    outputs = selected(bench, bench.layer(*TREE), sources=("/d/a",), keep_owners=False)
    (row,) = bench.document(outputs["listing"])["entries"]
    assert row[:5] == ["a", FILE, 0o600, 0, 0]


def test_names_of_one_file_stay_hard_links_of_each_other(bench: Bench) -> None:
    outputs = selected(bench, bench.layer(*TREE), sources=("/d",))
    rows = {row[0]: row for row in bench.document(outputs["listing"])["entries"]}
    assert (rows["a"][1], rows["h"][1], rows["h"][7]) == (FILE, HARDLINK, "a")


def test_what_else_is_in_the_stack_changes_nothing_of_the_list(bench: Bench) -> None:
    below = bench.layer(*TREE)
    one = selected(bench, below, sources=("/d",))
    other = selected(bench, below, bench.layer(file("unrelated", 7)), sources=("/d",))
    assert one["listing"] == other["listing"]


def test_the_bytes_are_where_the_uppermost_layer_has_them(bench: Bench) -> None:
    upper = bench.layer(file("d/a", 3))
    outputs = selected(bench, bench.layer(*TREE), upper, sources=("/d/a",))
    assert bench.document(outputs["content"]) == [[upper.value.digest, "d/a"]]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("/gone", "/gone is not there in the stage one"),
        ("/gone*", "/gone\\* matches nothing in the stage one"),
    ],
)
def test_a_source_that_is_not_there_is_named(bench: Bench, source: str, problem: str) -> None:
    with pytest.raises(BuildError, match=problem):
        selected(bench, bench.layer(*TREE), sources=(source,))


# The layer of a copy.


def copied(bench: Bench, place: dict[str, Any], **more: Any) -> dict[str, Entry]:
    """The entries of a copy to where `Place` of these arguments says, in a root with ``/srv``."""
    below = bench.layer(folder("srv", 0o1777, 5, 6))
    found = bench.run(ResolveDestination(roots=(below,), **{"folder": True, **place}))["destination"]
    spec: Copy[Resolved] = Copy(destination=bench.output(found), **{"mtime": 7, **more})
    return bench.entries(bench.run(spec)["layer"])


def test_a_file_that_is_copied_is_roots_with_its_mode_and_the_time_of_the_build(bench: Bench) -> None:
    found = copied(
        bench,
        {"dest": "srv/new/", "entries": ONE_FILE},
        entries=(CopyEntry("a", FILE, 0o640),),
        sources=(bench.file("a", b"abc"),),
    )
    assert list(found) == ["srv", "srv/new", "srv/new/a"]
    made = found["srv/new/a"]
    assert (made.mode, made.uid, made.gid, made.size, made.mtime) == (0o640, 0, 0, 3, 7)
    # A folder on the way is as it is in the root, and no change of it.
    assert (found["srv"].mode, found["srv"].uid, found["srv"].passed) == (0o1777, 5, True)
    assert (found["srv/new"].mode, found["srv/new"].passed) == (0o755, False)


@pytest.mark.parametrize("hints", [(), (ZSTD.spec,), (GZIP.spec,)], ids=["", "zstd", "gzip"])
@pytest.mark.parametrize("of_stage", [False, True])
def test_a_copy_is_compressed_once_for_the_image_that_needs_it(
    bench: Bench, *, hints: tuple[str, ...], of_stage: bool
) -> None:
    below = bench.layer(folder("srv"))
    more: dict[str, Any]
    if of_stage:
        chosen = selected(bench, bench.layer(file("a", 5)), sources=("/a",))
        listing = bench.output(chosen["listing"])
        place = bench.run(ResolveDestination(dest="srv/", folder=True, roots=(below,), listing=listing))
        more = {"keep_owners": True, "listing": listing, "content": bench.output(chosen["content"])}
    else:
        place = bench.run(ResolveDestination(dest="srv/", folder=True, roots=(below,), entries=ONE_FILE))
        more = {"entries": (CopyEntry("a", FILE, 0o640),), "sources": (bench.file("a", b"abc"),)}
    spec: Copy[Resolved] = Copy(destination=bench.output(place["destination"]), mtime=7, **more)
    layer = bench.run(spec, *hints)["layer"].digest
    made = {codec.spec for codec in (ZSTD, GZIP) if encodings.find(bench.store, layer, codec)}
    assert made == set(hints)
    plain = encodings.find_plain(bench.store, layer) is not None
    assert plain == (not hints)


def test_an_owner_is_that_of_new_folders_too_and_of_no_other(bench: Bench) -> None:
    found = copied(
        bench,
        {"dest": "srv/new/", "entries": ONE_FILE, "owner": "33:44"},
        entries=(CopyEntry("a", FILE, 0o644),),
        sources=(bench.file("a"),),
    )
    owners = {path: (one.uid, one.gid) for path, one in found.items()}
    assert owners == {"srv": (5, 6), "srv/new": (33, 44), "srv/new/a": (33, 44)}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(0o600, (0o600, 0o600)), ("u=rwX,go=", (0o600, 0o700)), ("a+x", (0o755, 0o755)), (None, (0o644, 0o755))],
)
def test_a_mode_is_for_files_and_folders_but_for_links(
    bench: Bench, mode: int | str | None, expected: tuple[int, int]
) -> None:
    entries = (
        CopyEntry("d", DIRECTORY, 0o755),
        CopyEntry("d/f", FILE, 0o644),
        CopyEntry("d/l", SYMLINK, 0o777),
    )
    found = copied(
        bench,
        {"dest": "srv/", "entries": tuple(Named(one.name, one.type) for one in entries)},
        entries=entries,
        mode=mode,
        sources=(bench.file("d/f", b"x"), bench.link("d/l", "f")),
    )
    assert (found["srv/d/f"].mode, found["srv/d"].mode) == expected
    assert (found["srv/d/l"].mode, found["srv/d/l"].link) == (0o777, "f")


def test_nothing_to_copy_gives_a_layer_without_entries(bench: Bench) -> None:
    assert copied(bench, {"dest": "srv", "folder": False, "entries": (), "single": True}) == {}


def test_a_name_that_a_layer_cannot_hold_is_refused(bench: Bench) -> None:
    with pytest.raises(BuildError, match=r"a name cannot begin with \.wh\."):
        copied(
            bench,
            {"dest": "srv/", "entries": (Named(".wh.a", FILE),)},
            entries=(CopyEntry(".wh.a", FILE, 0o644),),
            sources=(bench.file(".wh.a"),),
        )


def test_files_of_a_stage_come_with_their_bytes_whatever_their_names(bench: Bench) -> None:
    odd = os.fsdecode(b"\xff")
    stage = bench.layer(folder("d"), file(f"d/{odd}", 5, 0o640, 7, 8))
    chosen = selected(bench, stage, sources=("/d",))
    listing = bench.output(chosen["listing"])
    below = bench.layer(folder("srv"))
    place = bench.run(ResolveDestination(dest="srv/", folder=True, roots=(below,), listing=listing))[
        "destination"
    ]
    spec: Copy[Resolved] = Copy(
        keep_owners=True,
        mtime=7,
        listing=listing,
        content=bench.output(chosen["content"]),
        destination=bench.output(place),
    )
    found = bench.entries(bench.run(spec)["layer"])[f"srv/{odd}"]
    assert (found.size, found.mode, found.uid, found.gid, found.mtime) == (5, 0o640, 7, 8, 7)


def test_names_of_an_owner_are_those_of_the_image(bench: Bench) -> None:
    passwd = bench.place(b"web:x:33:34::/:/bin/sh\n")
    from hermes.actions.specs.layer import Files, Layer

    source = bench.file("etc/passwd", passwd.read_bytes())
    layer = bench.run(Layer(entries=(Files(files=(source,), modes={}),), mtime=0), "zstd")["layer"]
    found = placed(bench, bench.output(layer, "//app:etc"), dest="x", owner="web")
    assert (found["uid"], found["gid"]) == (33, 34)
