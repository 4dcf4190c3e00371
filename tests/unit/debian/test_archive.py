"""A whole archive, made and signed here: sources, signatures, indexes and the lock that comes of them."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
import zstandard

from hermes.debian.apt_source import AptSource
from hermes.debian.download import quoted
from hermes.debian.lock import LockRequest, make_lock
from hermes.debian.sources import machine_sources
from hermes.errors import FetchError, HermesError, LockError, WorkspaceError

PACKAGES = """\
Package: hello
Version: 2.10-3
Architecture: amd64
Depends: libc6 (>= 2.34)
Filename: pool/main/h/hello/hello_2.10-3_amd64.deb
Size: 1000
SHA256: {one}

Package: libc6
Version: 2.36-9
Architecture: amd64
Filename: pool/main/g/glibc/libc6_2.36-9_amd64.deb
Size: 2000
SHA256: {two}

Package: data
Version: 1
Architecture: all
Filename: pool/main/d/data_1_all.deb
Size: 10
SHA256: {one}
""".format(one="1" * 64, two="2" * 64)


class Signer:
    """A key, and the agent that gpg starts for it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._home.mkdir(mode=0o700)
        self._gpg("--quick-gen-key", "--passphrase", "", "archive@example.org", "rsa2048", "sign", "never")
        self.public = self._gpg("--export")

    def sign(self, text: str) -> bytes:
        return self._gpg("--clearsign", data=text.encode())

    def detached(self, data: bytes, *, armored: bool) -> bytes:
        return self._gpg(*(["--armor"] if armored else []), "--detach-sign", data=data)

    def close(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "all"], check=True)

    def _gpg(self, *arguments: str, data: bytes = b"") -> bytes:
        command = ["gpg", "--batch", "--homedir", str(self._home), "--pinentry-mode", "loopback", *arguments]
        return subprocess.run(command, input=data, capture_output=True, check=True).stdout


class Archive:
    """A signed archive in a folder."""

    def __init__(self, folder: Path, signer: Signer) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.keyring = folder / "keyring.gpg"
        self.keyring.write_bytes(signer.public)
        self._signer = signer
        self.publish()

    def publish(self, *, packages: str = PACKAGES, fields: str = "") -> None:
        index = self.folder / "dists/stable/main/binary-amd64"
        index.mkdir(parents=True, exist_ok=True)
        rows = []
        for name, data in (
            ("Packages", packages.encode()),
            ("Packages.xz", lzma.compress(packages.encode())),
            ("Packages.gz", gzip.compress(packages.encode())),
        ):
            (index / name).write_bytes(data)
            rows.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-amd64/{name}")
        self.release("\n".join(rows) + "\n", fields)

    def release(self, rows: str, fields: str = "") -> None:
        """Sign a Release that lists indexes."""
        text = "Suite: stable\nCodename: some\nArchitectures: amd64\nComponents: main\n" + fields
        (self.folder / "dists/stable/InRelease").write_bytes(self._signer.sign(f"{text}SHA256:\n{rows}"))

    @property
    def source(self) -> AptSource:
        return AptSource(f"file://{self.folder}", ("stable",), ("main",), str(self.keyring))

    def lock(
        self, *packages: str, source: AptSource | None = None, architectures: tuple[str, ...] = ("amd64",)
    ) -> dict[str, object]:
        request = LockRequest(
            packages, architectures, recommends=False, essential=False, exclude=(), label="//a:b"
        )
        data = make_lock(request, [source or self.source], self.folder / "cache", self.said.append)
        assert str(self.folder).encode() not in data
        found: dict[str, object] = yaml.safe_load(data)
        return found


@pytest.fixture(scope="session")
def new_signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Signer]]:
    if not shutil.which("gpg"):
        pytest.skip("gpg is not installed")
    made: list[Signer] = []

    def make() -> Signer:
        made.append(Signer(tmp_path_factory.mktemp("gpg") / "home"))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def signer(new_signer: Callable[[], Signer]) -> Signer:
    return new_signer()


@pytest.fixture
def archive(tmp_path: Path, signer: Signer) -> Archive:
    return Archive(tmp_path, signer)


def test_a_lock_has_all_that_a_build_needs_and_no_address(archive: Archive) -> None:
    found = archive.lock("hello")
    assert found["version"] == 1
    assert found["architectures"] == ["amd64"]
    assert found["asked"] == {"essential": False, "exclude": [], "packages": ["hello"], "recommends": False}
    assert found["packages"] == [
        {
            "name": name,
            "version": version,
            "architecture": "amd64",
            "path": path,
            "size": size,
            "sha256": digest * 64,
        }
        for name, version, path, size, digest in (
            ("hello", "2.10-3", "pool/main/h/hello/hello_2.10-3_amd64.deb", 1000, "1"),
            ("libc6", "2.36-9", "pool/main/g/glibc/libc6_2.36-9_amd64.deb", 2000, "2"),
        )
    ]


def test_the_same_archive_gives_the_same_lock(archive: Archive) -> None:
    assert archive.lock("hello", "data") == archive.lock("data", "hello")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.replace(b"Suite: stable", b"Suite: evil!!"), "the signature does not verify"),
        (lambda data: data.split(b"-----BEGIN PGP SIGNATURE")[0], "signature"),
        (lambda data: b"Suite: stable\nSHA256:\n", "signature"),
        (lambda data: b"", "signature"),
    ],
)
def test_a_release_that_was_tampered_with_is_refused(archive: Archive, change: object, message: str) -> None:
    path = archive.folder / "dists/stable/InRelease"
    path.write_bytes(change(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(LockError, match=message):
        archive.lock("hello")


def detach(archive: Archive, *signers: Signer, armored: bool = False) -> None:
    """Take InRelease away, and have Release and Release.gpg, signed by some."""
    folder = archive.folder / "dists/stable"
    lines = (folder / "InRelease").read_text().split("\n\n", 1)[1]
    text = lines.split("-----BEGIN PGP SIGNATURE")[0].encode()
    (folder / "InRelease").unlink()
    (folder / "Release").write_bytes(text)
    if signers:
        signature = b"".join(one.detached(text, armored=armored) for one in signers)
        (folder / "Release.gpg").write_bytes(signature)


@pytest.mark.parametrize("armored", [True, False])
def test_a_release_with_a_signature_beside_it_is_believed(
    archive: Archive, signer: Signer, armored: bool
) -> None:
    """As archives without InRelease have them, which apt still reads."""
    before = archive.lock("hello")
    detach(archive, signer, armored=armored)
    assert archive.lock("hello") == before
    assert archive.said == [one for one in archive.said if not one.startswith("warning")]


def test_one_signature_of_several_is_enough(
    archive: Archive, signer: Signer, new_signer: Callable[[], Signer]
) -> None:
    detach(archive, new_signer(), signer)
    assert archive.lock("hello")["packages"]


def test_a_release_with_a_wrong_signature_beside_it_is_refused(
    archive: Archive, signer: Signer, new_signer: Callable[[], Signer]
) -> None:
    detach(archive, signer)
    release = archive.folder / "dists/stable/Release"
    whole = release.read_bytes()
    release.write_bytes(whole.replace(b"Suite: stable", b"Suite: evil!!"))
    with pytest.raises(LockError, match="Release: the signature does not verify"):
        archive.lock("hello")
    release.write_bytes(whole)
    for wrong in (b"", b"no signature", new_signer().detached(whole, armored=True), signer.public):
        (archive.folder / "dists/stable/Release.gpg").write_bytes(wrong)
        with pytest.raises(LockError, match="Release: the signature does not verify"):
            archive.lock("hello")
    (archive.folder / "dists/stable/Release.gpg").unlink()
    with pytest.raises(FetchError, match="is not signed"):
        archive.lock("hello")
    release.unlink()
    with pytest.raises(FetchError, match="no Release beside it"):
        archive.lock("hello")


def test_text_before_a_signature_is_not_believed(archive: Archive) -> None:
    path = archive.folder / "dists/stable/InRelease"
    path.write_bytes(b"SHA256:\n " + b"0" * 64 + b" 1 main/binary-amd64/Packages\n\n" + path.read_bytes())
    with pytest.raises(LockError):
        archive.lock("nothing-of-that-name")


def test_another_key_is_not_enough(
    archive: Archive, tmp_path: Path, new_signer: Callable[[], Signer]
) -> None:
    other = tmp_path / "other.gpg"
    other.write_bytes(new_signer().public)
    source = AptSource(archive.source.uri, ("stable",), ("main",), str(other))
    with pytest.raises(LockError, match="the signature does not verify"):
        archive.lock("hello", source=source)


@pytest.mark.parametrize("content", [b"", b"shorter", PACKAGES.replace("1000", "9999").encode()])
def test_an_index_that_is_not_what_the_release_lists_is_refused(archive: Archive, content: bytes) -> None:
    for name in ("Packages", "Packages.xz", "Packages.gz"):
        (archive.folder / "dists/stable/main/binary-amd64" / name).write_bytes(content)
    with pytest.raises(FetchError, match=r"and the Release says|is larger than"):
        archive.lock("hello")


@pytest.mark.parametrize(
    ("package", "message"),
    [
        ("Filename: ../../etc/passwd", "no usable path"),
        ("Filename: /etc/passwd", "no usable path"),
        ("SHA256: zz", "no usable path"),
    ],
)
def test_an_index_may_not_lead_anywhere_else(archive: Archive, package: str, message: str) -> None:
    field = package.partition(":")[0]
    lines = [package if line.startswith(f"{field}:") else line for line in PACKAGES.splitlines()]
    archive.publish(packages="\n".join(lines))
    with pytest.raises(LockError, match=message):
        archive.lock("data")


def test_a_stale_release_is_pointed_out(archive: Archive) -> None:
    archive.publish(fields="Valid-Until: Sat, 01 Jan 2000 00:00:00 UTC\n")
    archive.lock("data")
    assert any("was valid until 2000-01-01" in line for line in archive.said)


def test_what_the_archive_does_not_have_is_named(archive: Archive) -> None:
    for source, message in (
        (
            AptSource(archive.source.uri, ("stable",), ("contrib",), archive.source.signed_by),
            "has no component contrib",
        ),
        (
            AptSource(archive.source.uri, ("unstable",), ("main",), archive.source.signed_by),
            "there is no such file",
        ),
        (AptSource(archive.source.uri, ("stable",), ("main",), "/nowhere/keyring"), "No such file"),
    ):
        with pytest.raises(HermesError, match=message):
            archive.lock("hello", source=source)
    with pytest.raises(LockError, match="no package source has packages for arm64"):
        archive.lock("hello", architectures=("arm64",))


ONE_LINE = """\
# a comment
deb http://mirror.example/debian stable main contrib
deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] https://other.example/ suite/ # flat
deb-src http://mirror.example/debian stable main
deb cdrom:[Debian]/ stable main
"""
STANZAS = """\
# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: stable stable-updates
Components: main
Signed-By: /usr/share/keyrings/x.gpg

Enabled: no
Types: deb
URIs: http://disabled.example/
Suites: stable
Components: main
"""


def test_apt_is_asked_for_its_sources(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(ONE_LINE)
    (tmp_path / "sources.list.d/a.sources").write_text(STANZAS)
    (tmp_path / "sources.list.d/ignored.txt").write_text("nonsense")
    assert machine_sources(tmp_path) == (
        AptSource("http://mirror.example/debian", ("stable",), ("main", "contrib")),
        AptSource("https://other.example", ("suite/",), (), "/usr/share/keyrings/x.gpg"),
        AptSource(
            "http://mirror.example/debian",
            ("stable", "stable-updates"),
            ("main",),
            "/usr/share/keyrings/x.gpg",
        ),
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sources.list", "debb http://x stable main"),
        ("sources.list", "deb http://x"),
        ("sources.list", "deb gopher://x stable main"),
        ("sources.list", "deb [arch] http://x stable main"),
        ("sources.list.d/x.sources", "Types: deb\nURIs: http://x\nSuites: stable"),
        ("sources.list.d/x.sources", "Types: deb\nSuites: stable\nComponents: main"),
        ("sources.list.d/x.sources", "no field"),
    ],
)
def test_a_malformed_source_is_named_with_its_line(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / name).write_text(text)
    with pytest.raises(WorkspaceError, match=rf"{name}:1: "):
        machine_sources(tmp_path)


@pytest.mark.parametrize("ending", [".zst", ".xz", ".bz2", ".lzma", ".gz", ""])
def test_an_index_in_one_form_alone_is_read(archive: Archive, ending: str) -> None:
    pack = {
        ".zst": zstandard.ZstdCompressor().compress,
        ".xz": lzma.compress,
        ".bz2": bz2.compress,
        ".lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
        ".gz": gzip.compress,
        "": bytes,
    }[ending]
    data = pack(PACKAGES.encode())
    folder = archive.folder / "dists/stable/main/binary-amd64"
    for one in folder.iterdir():
        one.unlink()
    (folder / f"Packages{ending}").write_bytes(data)
    row = f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-amd64/Packages{ending}\n"
    archive.release(row)
    assert len(archive.lock("hello")["packages"]) == 2  # type: ignore[arg-type]


def test_a_path_is_asked_for_as_apt_asks_for_it() -> None:
    """What `apt-get download --print-uris` of apt 2.6 prints."""
    assert quoted("pool/a_1%3a2.0+b1~rc_amd64.deb") == "pool/a_1%253a2.0%2bb1%7erc_amd64.deb"
    assert quoted("./a:b@c=d,e (f).deb") == "./a:b@c=d,e%20(f).deb"
    assert quoted("pool/\u00e9.deb") == "pool/%c3%a9.deb"
