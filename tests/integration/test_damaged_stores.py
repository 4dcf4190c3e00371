"""Files of the store that are damaged, gone, or something else: they are told of, passed over or made again."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.conftest import Sandbox


@pytest.fixture
def built(workspace: Sandbox) -> Sandbox:
    workspace.write("app/f.txt", "x")
    workspace.write(
        "app/BUILD",
        'files_layer(name = "l", files = {"/f": "f.txt"})\nimage(name = "i", layers = [":l"])\n',
    )
    workspace.build("//app:i")
    return workspace


def test_a_corrupt_blob_is_built_again_with_a_warning(built: Sandbox) -> None:
    before = built.digest("//app:i")
    for blob in (built.home / "blobs/sha256").iterdir():
        blob.chmod(0o644)
        blob.write_bytes(b"damaged")
    (built.root / "hermes-out/app/i/index.json").unlink()
    done = built.run("build", "//app:i")
    assert done.returncode == 0, done.stderr
    assert "warning: " in done.stderr
    assert before in done.stdout
    assert built.run("cache", "verify").returncode == 0


def test_a_removed_blob_is_built_again(built: Sandbox) -> None:
    before = built.digest("//app:i")
    for blob in (built.home / "blobs/sha256").iterdir():
        blob.unlink()
    done = built.run("build", "//app:i")
    assert done.returncode == 0, done.stderr
    assert before in done.stdout


def test_corrupt_results_are_built_again_with_a_warning(built: Sandbox) -> None:
    (built.home / "results/cache.db").write_bytes(b"this is no database" * 1000)
    built.write("app/f.txt", "new")
    done = built.run("build", "//app:i")
    assert done.returncode == 0, done.stderr
    assert "result cache was damaged" in done.stderr


def test_a_damaged_snapshot_is_not_believed(built: Sandbox) -> None:
    before = built.digest("//app:i")
    for path in (built.home / "index").rglob("*.check"):
        path.write_bytes(path.read_bytes()[:-20] + b"x" * 20)
    assert built.digest("//app:i") == before


@pytest.mark.parametrize(
    "pattern",
    [
        "blobs/sha256/*",
        "toc/*",
        "index/*/*.check",
        "containers/*/container.json",
        "results/*",
        "caches",
        "logs",
    ],
)
def test_a_folder_in_place_of_a_file_of_the_store(built: Sandbox, pattern: str) -> None:
    """Everything says what is wrong, or makes it again."""
    assert built.run("ctr", "from", "//app:i").returncode == 0
    for path in built.home.glob(pattern):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        (path / "inside").mkdir(parents=True)
        (path / "file").touch()
    shutil.rmtree(built.root / "hermes-out")
    for command in ("build //app:i", "ctr ps", "cache info", "cache verify", "cache gc --max-size 0"):
        done = built.run(*command.split())
        assert "Traceback" not in done.stderr
        assert done.returncode == 0 or done.stderr.startswith("error: ") or "verify" in command


def test_a_store_of_a_newer_version(built: Sandbox) -> None:
    (built.home / "version").write_text("999\n")
    done = built.run("build", "//app:i")
    assert done.returncode == 1
    assert "was made by a newer version of Hermes" in done.stderr


def test_nothing_of_the_store_is_waited_for(built: Sandbox) -> None:
    """FIFOs in place of its files: everything says what is wrong, passes them over or makes them again."""
    for command in ("pull oci:hermes-out/app/i i", "tag i j", "ctr from i", "ctr from j"):
        assert built.run(*command.split()).returncode == 0
    kept = {"version", "j%3Alatest", *(one.name for one in built.home.glob("results/*"))}
    (container, _) = sorted((built.home / "containers").iterdir())
    others = [one for one in built.home.rglob("*") if one.is_file() and container not in one.parents]
    for path in [container / "container.json", *(one for one in others if "containers" not in one.parts)]:
        if path.name not in kept and "locks" not in path.parts:
            path.unlink()
            os.mkfifo(path)
    for command, expected in (
        ("images", "i:latest is damaged"),
        ("inspect j", "error: "),
        ("ctr ps", f"{container.name} is damaged"),
        ("build //app:i", ""),
        ("cache verify", ""),
        ("cache gc --max-size 0", ""),
        ("rmi i", ""),
        (f"ctr rm {container.name}", ""),
    ):
        done = built.run(*command.split(), timeout=60)
        assert "Traceback" not in done.stderr
        assert expected in done.stderr, (command, done.stderr)
    assert built.run("cache", "verify").returncode == 0


def damage_tables(sandbox: Sandbox) -> int:
    tables = [one for one in (sandbox.home / "toc").iterdir() if "." not in one.name]
    for table in tables:
        table.write_bytes(b'{"version": 1}')
    return len(tables)


def test_damaged_tables_of_contents_are_made_again(built: Sandbox) -> None:
    """They can be lost without a loss: blobs and trees hold the layers, and actions give them."""
    built.write("app/g.txt", "other")
    built.write(
        "app/BUILD",
        'files_layer(name = "l", files = {"/f": "f.txt"})\n'
        'files_layer(name = "m", files = {"/g": "g.txt"})\n'
        'image(name = "i", layers = [":l", ":m"])\n',
    )
    before = built.run("build", "//app:i").stdout
    assert damage_tables(built)
    built.write("app/f.txt", "new")
    done = built.run("build", "//app:i")
    assert done.returncode == 0, done.stderr
    assert "was damaged; building what gives it again" in done.stderr
    built.write("app/f.txt", "x")
    assert built.run("build", "//app:i").stdout == before


def test_an_image_of_the_store_survives_damaged_tables(built: Sandbox) -> None:
    assert built.run("build", "-q", "//app:i", "-o", "oci-archive:i.tar").returncode == 0
    other = Sandbox(built.root, built.home.parent / "other")
    assert other.run("pull", "oci-archive:i.tar", "i").returncode == 0
    files = other.run("inspect", "--files", "i").stdout
    assert damage_tables(other)
    assert other.run("inspect", "--files", "i").stdout == files
    assert damage_tables(other)
    other.write("Dockerfile", "FROM i\nCOPY Dockerfile /d\n")
    done = other.run("bud", "--pull=never", "-t", "j", ".")
    assert done.returncode == 0, done.stderr


def test_verify_reads_all_that_the_store_holds(built: Sandbox) -> None:
    assert built.run("cache", "verify").returncode == 0
    tables = damage_tables(built)
    blob = next(one for one in (built.home / "blobs/sha256").iterdir() if one.stat().st_size > 100)
    status = blob.stat()
    data = bytearray(blob.read_bytes())
    data[50] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(data)
    os.utime(blob, ns=(status.st_atime_ns, status.st_mtime_ns))
    (built.home / "images").mkdir(exist_ok=True)
    (built.home / "images/x%3Alatest").write_text("{")
    for one in (built.home / "results").glob("cache.db*"):
        one.write_bytes(b"this is no database" * 1000)
    done = built.run("cache", "verify")
    assert done.returncode == 1
    assert f"the blob sha256:{blob.name} is damaged: removed" in done.stdout
    assert done.stdout.count("the table of contents of layer") == tables
    assert "the cache of results is damaged: a new one has been started" in done.stdout
    assert "the entry of the image name x:latest is damaged: remove it: hermes rmi x:latest" in done.stdout
    assert built.run("rmi", "x").returncode == 0
    again = built.run("cache", "verify")
    assert again.returncode == 0, again.stdout
