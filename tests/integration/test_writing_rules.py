"""docs/writing-rules.md, as somebody follows it: its files are written one after the other, and built."""

from __future__ import annotations

import functools
import http.server
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hermes import Workspace
from hermes.errors import BuildFileError, LockError
from tests.conftest import ROOT, Sandbox

PAGE = (ROOT / "docs/writing-rules.md").read_text()


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def written(based: Sandbox) -> Callable[[str], None]:
    """Writes the blocks below a heading of the page."""

    def write(heading: str) -> None:
        part = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        blocks = re.findall(r"^```python\n# (\S+)\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)
        assert blocks
        for path, text in blocks:
            based.write(path, f"# {path}\n{text}")

    return write


def test_the_site_of_the_page_is_built(based: Sandbox, written: Callable[[str], None]) -> None:
    written("A rule that makes a file")
    (home,) = based.build("//web:home").targets["//web:home"]
    assert Path(home.path).read_text() == "<h1>Welcome</h1>\n"
    written("A provider, and a layer")
    based.build("//web:image")
    written("A command, and what it stands on")
    based.build("//web:image")
    done = based.run(
        "run", "-q", "//web:image", "--", "/bin/sh", "-c", "cat /srv/www/index.html /srv/www/size.txt"
    )
    pages = '<a href="about.html">Who we are</a>\n<a href="home.html">Welcome</a>\n'
    assert done.stdout == f"{pages}{len(pages) + len('<h1>Welcome</h1><h1>Who we are</h1>') + 2}\n", (
        done.stderr
    )
    written("An error that helps")
    with pytest.raises(BuildFileError) as caught:
        based.build("//web:home")
    error = caught.value
    assert f"\n{error.location}: {error.message}\nhint: {error.hint}\n" in PAGE


def test_the_fonts_of_the_page_are_locked(
    based: Sandbox, written: Callable[[str], None], tmp_path: Path
) -> None:
    written("A lock")
    served = tmp_path / "served"
    served.mkdir()
    for name in ("sans", "serif", "mono"):
        (served / f"{name}.woff2").write_text(name)
    build = based.root / "fonts/BUILD"
    lock = based.root / "fonts/fonts.lock.yaml"
    workspace = Workspace(based.root, home=based.home, say=based.said.append)
    with serving(served) as (server, asked):
        build.write_text(build.read_text().replace("names", f'server = "{server}", names'))
        with pytest.raises(BuildFileError) as caught:
            based.build("//fonts:fonts")
        assert caught.value.hint == "if it is the lock, make it with `hermes lock //fonts:fonts`"
        workspace.lock(["//fonts:fonts"])
        assert sorted(asked) == ["/sans.woff2", "/serif.woff2"]
        first = lock.read_text()
        assert first.count("sha256") == 2
        based.build("//fonts:fonts")  # from what the lock has brought into the store
        assert len(asked) == 2
        build.write_text(build.read_text().replace('"serif"]', '"serif", "mono"]'))
        with pytest.raises(BuildFileError, match=r"fonts\.lock\.yaml is stale: it has not mono\.woff2"):
            based.build("//fonts:fonts")
        with pytest.raises(LockError, match=r"mono\.woff2 is not locked"):
            workspace.lock(["//fonts:fonts"], check=True)
        workspace.lock(["//fonts:fonts"])
        assert asked[2:] == ["/mono.woff2"]
        (served / "sans.woff2").write_text("another")
        workspace.lock(["//fonts:fonts"])
        assert set(first.splitlines()) <= set(lock.read_text().splitlines())
        workspace.lock(["//fonts:fonts"], update=True)
        assert not set(first.splitlines()) <= set(lock.read_text().splitlines())
        (served / "mono.woff2").unlink()
        with pytest.raises(LockError, match=r"mono\.woff2 could not be fetched\n  http.*404"):
            workspace.lock(["//fonts:fonts"], update=True)
    lock.write_text("version: 1\nfiles: {sans.woff2: x}\n")
    with pytest.raises(LockError, match="is not a lock of files"):
        workspace.lock(["//fonts:fonts"])


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (
            'struct(kind = "maven")',
            'a lock has a kind, one of debian, files, image, node, python, not "maven"',
        ),
        ("struct(file = 1)", "a lock has a kind"),
        ('struct(kind = "image", ref = "a")', "not a dict without 'platforms'"),
        ('struct(kind = "files", file = "a", urls = {})', "a dict with a string at 'file'"),
        ("[]", "the lock function of odd returns a list, not a struct"),
    ],
)
def test_a_lock_that_says_nothing_useful_is_an_error_of_the_rule(
    workspace: Sandbox, returned: str, said: str
) -> None:
    workspace.write(
        "odd.bzl",
        f"def _lock(ctx):\n    return {returned}\n\ndef _impl(ctx):\n    pass\n\n"
        "odd = rule(implementation = _impl, lock = _lock)\n",
    )
    workspace.write("BUILD", 'load(":odd.bzl", "odd")\nodd(name = "it")\n')
    with pytest.raises(BuildFileError) as caught:
        Workspace(workspace.root, home=workspace.home).lock(["//:it"])
    assert said in caught.value.message
    assert caught.value.location is not None
