"""What a command with a secret made never leaves this machine: not as it is, nor compressed, squashed, copied or built on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hermes import SecretSource
from hermes.container.secrets.leaks import Search
from hermes.engine.events import ActionFinished
from hermes.layer.decompress import Decompressed
from tests.remote.cluster import Cluster
from tests.remote.sharing import Made

if TYPE_CHECKING:
    import pytest

VALUE = "Zx9-not-for-others-Qq"
HIDDEN = """\
base = ["//base:root"]
run_layer(name = "hidden", base = base, cmd = "tr a-z b-za < /run/secrets/it > /turned", secrets = ["it"])
run_layer(name = "above", base = base + [":hidden"], cmd = "cat /turned > /again")
copy_layer(name = "copied", root = [":hidden"], paths = ["/turned"], dest = "/there")
image(name = "image", layers = base + [":hidden", ":above", ":copied"])
image(name = "squashed", layers = base + [":hidden", ":above"], squash = True, compression = "gzip")
run_layer(name = "open", base = base, cmd = "echo open > /open; sed s/x/x/ /in > /dev/null", srcs = {"/in": "file"})
image(name = "other", layers = base + [":open"])
"""
LATE = """\
base = ["//base:root"]
files_layer(name = "files", srcs = ["file"], dest = "/in")
run_layer(name = "a", base = base + [":files"], cmd = "cat /in/file > /dev/null; echo late > /a")
image(name = "image", layers = base + [":files", ":a"])
"""


def test_nothing_that_is_made_with_a_secret_leaves_this_machine(
    cluster: Cluster, sharing: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = sharing("turned")
    it.root.write("app/BUILD", HIDDEN)
    monkeypatch.setenv("IT", VALUE)
    secrets = [SecretSource.parse("id=it,env=IT")]
    targets = ("//app:image", "//app:squashed", "//app:other")
    choice = {"executor": cluster.url}
    built = it.build("store", cluster.url, *targets, choice=choice, secrets=secrets)
    assert {one.owner for one in it.of(ActionFinished) if one.where and one.kind == "run"} == {"//app:open"}
    turned = VALUE.translate(
        str.maketrans("abcdefghijklmnopqrstuvwxyz", "bcdefghijklmnopqrstuvwxyza")
    ).encode()
    places = [one for one in cluster.folder.rglob("*") if one.is_file() and not one.is_symlink()]
    search = Search({"it": VALUE.encode(), "turned": turned})
    assert [one for one in places if search.in_file(str(one))] == []
    private = {one.name for one in (it.folder / "store/private").iterdir()}
    blobs = {(path.parent.name + name)[:64] for name, path in cluster.blobs().items()}
    assert private & blobs == set()
    layouts = [one.path for label, (one,) in built.targets.items() if label != "//app:other"]
    of_images = {name for path in layouts for name in os.listdir(f"{path}/blobs/sha256")}
    (other,) = (one.path for label, (one,) in built.targets.items() if label == "//app:other")
    of_other = set(os.listdir(f"{other}/blobs/sha256"))
    assert of_images & blobs <= of_other, "what the images have in common is of the base"
    assert of_other <= blobs


def test_a_layer_that_has_the_value_in_it_is_not_sent(
    cluster: Cluster, sharing: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made by a build that did not know that this is a secret, so nobody has looked for it, compressed or not."""
    it = sharing("late")
    it.root.write("app/file", f"a file with {VALUE} in it")
    it.root.write("app/BUILD", LATE)
    it.build("store", "", "//app:files", "//base:root")
    monkeypatch.setenv("IT", VALUE)
    secrets = [SecretSource.parse("id=it,env=IT")]
    it.build("store", cluster.url, choice={"executor": cluster.url}, secrets=secrets)
    assert {one.owner for one in it.of(ActionFinished) if one.where} == set()
    search = Search({"it": VALUE.encode()})
    for path in cluster.blobs().values():
        with open(path, "rb") as file:
            content = Decompressed(file, name=str(path))
            assert search.in_pieces(iter(lambda read=content.read: read(1 << 20), b"")) is None
