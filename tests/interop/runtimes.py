"""Other programs that show the root file system of an image, each in its own way of unpacking layers.

docker's overlay2 and the overlay drivers of podman and buildah unpack each layer into a folder of its own; vfs, containerd's
native snapshotter and umoci unpack all layers into one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.test_tools import dockerd, output_of, tool

NAME = "it:v1"

Tree = dict[str, tuple[object, ...]]


def tree_of(root: Path) -> Tree:
    """What is at each path: type, mode, owner, link, first name of the same file, attributes, content."""
    found: Tree = {}
    first: dict[int, str] = {}
    pending = [root]
    while pending:
        for item in sorted(pending.pop().iterdir()):
            status = item.lstat()
            path = str(item.relative_to(root))
            kind = stat.S_IFMT(status.st_mode)
            if kind == stat.S_IFDIR:
                pending.append(item)
            link = os.readlink(item) if kind == stat.S_IFLNK else ""
            content = hashlib.sha256(item.read_bytes()).hexdigest() if kind == stat.S_IFREG else ""
            xattrs = {
                name: os.getxattr(item, name, follow_symlinks=False)
                for name in os.listxattr(item, follow_symlinks=False)
                if not name.startswith(("trusted.overlay.", "user.overlay.", "user.rootlesscontainers"))
            }
            mode = 0 if kind == stat.S_IFLNK else stat.S_IMODE(status.st_mode)
            found[path] = (
                stat.filemode(kind),
                oct(mode),
                f"{status.st_uid}:{status.st_gid}",
                link,
                status.st_ino if kind == stat.S_IFREG and status.st_nlink > 1 else 0,
                sorted(xattrs.items()),
                content,
            )
    named: Tree = {}
    for path in sorted(found):
        row = found[path]
        name = first.setdefault(row[4], path) if row[4] else ""
        named[path] = (*row[:4], name, *row[5:])
    several = {row[4] for path, row in named.items() if row[4] != path}
    return {path: row if row[4] in several else (*row[:4], "", *row[5:]) for path, row in named.items()}


def difference(one: Tree, other: Tree) -> dict[str, tuple[object, object]]:
    return {
        path: (one.get(path), other.get(path))
        for path in sorted({*one, *other})
        if one.get(path) != other.get(path)
    }


@contextmanager
def _overlay(lowers: list[str], folder: Path) -> Iterator[Path]:
    """The view of folders, the uppermost first, that overlayfs gives."""
    target = folder / "merged"
    target.mkdir()
    (folder / "empty").mkdir()
    links = []
    for number, lower in enumerate([*lowers, str(folder / "empty")]):
        (folder / str(number)).symlink_to(lower)
        links.append(str(number))
    options = f"lowerdir={':'.join(links)}"
    subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", f"ro,{options}", target], check=True, cwd=folder
    )
    try:
        yield target
    finally:
        subprocess.run(["umount", target], check=True)


class Docker:
    """A docker whose layers are folders of overlay2."""

    def __init__(self, command: list[str]) -> None:
        self._command = command

    def tree(self, archives: Path, scratch: Path) -> Tree:
        output_of(*self._command, "load", "--input", str(archives / "docker.tar"))
        (found,) = json.loads(output_of(*self._command, "inspect", NAME))
        assert found["GraphDriver"]["Name"] == "overlay2"
        data = found["GraphDriver"]["Data"]
        lowers = [data["UpperDir"], *filter(None, data.get("LowerDir", "").split(":"))]
        with _overlay(lowers, scratch) as merged:
            return tree_of(merged)


class Storage:
    """podman or buildah, with a storage driver."""

    def __init__(self, program: str, driver: str, folder: Path) -> None:
        policy = folder / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self._policy = f"--signature-policy={policy}"
        self._is_podman = program == "podman"
        self._command = [
            tool(program),
            f"--root={folder}/{program}-{driver}",
            f"--runroot={folder}/run-{program}-{driver}",
            f"--storage-driver={driver}",
            *(["--events-backend=file"] if self._is_podman else []),
        ]

    def tree(self, archives: Path, scratch: Path) -> Tree:
        source = f"oci-archive:{archives}/oci.tar"
        if self._is_podman:
            image = output_of(*self._command, "pull", "-q", self._policy, source).strip()
            mounted = output_of(*self._command, "image", "mount", image).strip()
            undo = [["image", "umount", image], ["rmi", "-f", image]]
        else:
            container = output_of(*self._command, "from", "-q", self._policy, source).strip()
            mounted = output_of(*self._command, "mount", container).strip()
            undo = [["umount", container], ["rm", container]]
        try:
            return tree_of(Path(mounted))
        finally:
            for words in undo:
                output_of(*self._command, *words)


class Containerd:
    def __init__(self, socket: str) -> None:
        self._command = [tool("ctr"), f"--address={socket}"]

    def tree(self, archives: Path, scratch: Path) -> Tree:
        output_of(*self._command, "images", "import", "--base-name=it", f"{archives}/oci.tar")
        (name,) = output_of(*self._command, "images", "ls", "-q").split()
        target = scratch / "mounted"
        target.mkdir()
        output_of(*self._command, "images", "mount", name, str(target))
        try:
            return tree_of(target)
        finally:
            output_of(*self._command, "images", "unmount", "--rm", str(target))
            output_of(*self._command, "images", "rm", "--sync", name)


class Umoci:
    def __init__(self, umask: int) -> None:
        self._umask = umask

    def tree(self, archives: Path, scratch: Path) -> Tree:
        layout = scratch / "layout"  # by way of skopeo, as umoci knows no zstd
        source = f"docker-archive:{archives}/docker.tar"
        output_of(tool("skopeo"), "copy", "--insecure-policy", "-q", source, f"oci:{layout}:v1")
        command = [tool("umoci"), "unpack", "--image", f"{layout}:v1", str(scratch / "bundle")]
        output_of(*command, umask=self._umask)
        return tree_of(scratch / "bundle/rootfs")


@contextmanager
def containerd(folder: Path) -> Iterator[str]:
    """Run a containerd until the end of the block; gives its socket."""
    socket = f"{folder}/containerd.sock"
    settings = folder / "containerd.toml"
    settings.write_text(
        f'version = 2\nroot = "{folder}/containerd"\nstate = "{folder}/containerd-state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[grpc]\naddress = "{socket}"\n'
    )
    with (folder / "containerd.log").open("wb") as log:
        process = subprocess.Popen(
            [tool("containerd"), "--config", settings], stdout=log, stderr=log, start_new_session=True
        )
    try:
        command = [tool("ctr"), f"--address={socket}", "version"]
        for _ in range(150):
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.1)
        yield socket
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@contextmanager
def runtimes(folder: Path) -> Iterator[dict[str, Callable[[Path, Path], Tree]]]:
    """All programs, by name: functions of the folder with ``oci.tar`` and ``docker.tar``, and of a folder to work in."""
    with dockerd(folder, "--storage-driver=overlay2") as docker, containerd(folder) as socket:
        yield {
            "docker, overlay2": Docker(docker).tree,
            "podman, overlay": Storage("podman", "overlay", folder).tree,
            "podman, vfs": Storage("podman", "vfs", folder).tree,
            "buildah, overlay": Storage("buildah", "overlay", folder).tree,
            "buildah, vfs": Storage("buildah", "vfs", folder).tree,
            "containerd": Containerd(socket).tree,
            "umoci": Umoci(0o022).tree,
            "umoci, umask 077": Umoci(0o077).tree,
        }
    shutil.rmtree(folder / "data", ignore_errors=True)
