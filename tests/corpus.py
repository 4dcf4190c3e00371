"""The corpus of Dockerfiles, ``interop/dockerfiles``, and the context that they copy from.

Comments at the top of a file say how it is built; see `tests.interop.test_dockerfiles`.
"""

from __future__ import annotations

import os
import re
import tarfile
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "interop/dockerfiles"
FILES: Final = sorted(FOLDER.glob("*.Dockerfile"))


def write_context(root: Path) -> None:
    def write(path: str, content: str, mode: int = 0o644) -> None:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        target.chmod(mode)

    write("a.txt", "a")
    write("b.txt", "b", 0o750)
    write("long.txt", "long")
    write("with space.txt", "space")
    write("sub/c.txt", "c")
    write("sub/d/e.txt", "e", 0o600)
    write("other/o.txt", "o")
    write("not.tar", "no archive")
    write("odd/odd [name]$.txt", "odd")
    write("modes/sticky", "", 0o1755)
    write("setuid", "", 0o4755)
    write("modes/private/file", "", 0o400)
    write("links/file", "f")
    write("links/folder/x", "x")
    write("ignored", "*.txt\n!b.txt\nsub/d\nlinks\nsetuid\n")
    (root / "sub").chmod(0o750)
    (root / "modes/private").chmod(0o711)
    (root / "empty").mkdir(mode=0o755)
    (root / "sub/soft").symlink_to("c.txt")
    (root / "links/to-file").symlink_to("file")
    (root / "links/to-folder").symlink_to("folder")
    (root / "links/broken").symlink_to("/nowhere")
    os.link(root / "sub/c.txt", root / "sub/hard")
    for kind in ("gz", "xz"):
        with tarfile.open(root / f"files.tar.{kind}", f"w:{kind}") as archive:
            archive.add(root / "sub", "sub")
            owned = tarfile.TarInfo("owned")
            owned.uid, owned.gid, owned.mode = 3, 4, 0o640
            archive.addfile(owned)


def directives(text: str) -> dict[str, str]:
    """The comments at the top that are for this test."""
    return dict(re.findall(r"^# (build|buildah|buildkit|files|format): (.*)$", text, re.MULTILINE))


def options_of(text: str, context: Path) -> dict[str, str]:
    """Options and their values, those of one option joined by spaces; paths are in the context."""
    found: dict[str, str] = {}
    words = text.split()
    for name, value in zip(words[::2], words[1::2], strict=True):
        place = {"--ignorefile": f"{context}/{value}", "--build-context": value.replace("=", f"={context}/")}
        found[name] = f"{found.get(name, '')} {place.get(name, value)}".strip()
    return found
