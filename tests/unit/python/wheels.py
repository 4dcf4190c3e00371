"""Wheels made member by member, also such as nobody should make."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

NAME = "demo-1.0-py3-none-any.whl"
INFO = "demo-1.0.dist-info"
WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
METADATA = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n\n"


def row(path: str, data: bytes, algorithm: str = "sha256") -> str:
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).decode().rstrip("=")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([path, f"{algorithm}={digest}", len(data)])
    return text.getvalue()


def usual(files: Mapping[str, str | bytes]) -> dict[str, bytes]:
    """Return the members of a wheel with ``files`` and what every wheel has, without RECORD."""
    members = {f"{INFO}/METADATA": METADATA, f"{INFO}/WHEEL": WHEEL, **files}
    return {path: one.encode() if isinstance(one, str) else one for path, one in members.items()}


def record_of(members: Mapping[str, bytes]) -> str:
    return "".join(row(path, data) for path, data in members.items()) + f"{INFO}/RECORD,,\n"


def make(
    folder: Path,
    files: Mapping[str, str | bytes],
    *,
    record: str | None = None,
    executables: tuple[str, ...] = (),
    modes: Mapping[str, int] | None = None,
    name: str = NAME,
    version: str = "1.0",
    stored: bool = False,
) -> Path:
    """Write a wheel; ``modes`` are whole st_mode values of members."""
    members = {
        path.replace(INFO, f"demo-{version}.dist-info"): data.replace(
            b"Version: 1.0\n\n", f"Version: {version}\n\n".encode()
        )
        for path, data in usual(files).items()
    }
    info_folder = f"demo-{version}.dist-info"
    text = record_of(members).replace(INFO, info_folder) if record is None else record
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        for member, data in [*members.items(), (f"{info_folder}/RECORD", text.encode())]:
            mode = stat.S_IFREG | (0o755 if member in executables else 0o644)
            info = zipfile.ZipInfo(member)
            info.external_attr = (modes or {}).get(member, mode) << 16
            archive.writestr(info, data, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED)
    return path


def raw(path: Path, rows: list[tuple[str, bytes]]) -> Path:
    """Write an archive whose members may have one name twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, data in rows:
            archive.writestr(zipfile.ZipInfo(member), data)
    path.write_bytes(buffer.getvalue())
    return path
