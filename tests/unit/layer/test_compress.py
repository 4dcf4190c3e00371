"""Compressed bytes depend on the bytes that go in, and on nothing else."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import shutil
import subprocess
import sys

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.layer.compress import CODECS
from hermes.layer.decompress import Decompressed
from tests.properties import some

SAMPLE = b"".join(
    random.Random(seed).randbytes(3000) + b"some text that repeats itself\n" * 300 for seed in range(700)
)
ORACLES = {
    "zstd": lambda data: zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read(),
    "gzip": gzip.decompress,
}


def compressed(codec: str, pieces: list[bytes]) -> bytes:
    out = bytearray()
    encoder = CODECS[codec].encoder(out.extend)
    for piece in pieces:
        encoder.write(piece)
    encoder.finish()
    return bytes(out)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=12, deadline=None)
@given(sizes=st.lists(st.integers(0, 3_000_000), max_size=6))
def test_how_the_bytes_come_in_makes_no_difference(codec: str, sizes: list[int]) -> None:
    assert compressed(codec, cut(SAMPLE, sizes)) == compressed(codec, [SAMPLE])


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [0, 1, 1000, 1 << 20, (1 << 20) + 1, 5 << 20, len(SAMPLE)])
def test_what_was_compressed_comes_back(codec: str, size: int) -> None:
    data = SAMPLE[:size]
    packed = compressed(codec, [data])
    assert ORACLES[codec](packed) == data
    source = Decompressed(io.BytesIO(packed), name="test")
    assert b"".join(iter(lambda: source.read(1 << 20), b"")) == data


def test_the_number_of_processors_makes_no_difference() -> None:
    expected = {codec: hashlib.sha256(compressed(codec, [SAMPLE])).hexdigest() for codec in CODECS}
    assert in_a_process([]) == expected
    if hasattr(os, "sched_setaffinity"):
        assert in_a_process(["taskset", "-c", str(min(os.sched_getaffinity(0)))]) == expected


@pytest.mark.parametrize("cpu", some(["qemu64", "Nehalem", "Haswell"]))
def test_the_kind_of_processor_makes_no_difference(cpu: str) -> None:
    """libdeflate and zstd have code for each instruction set; an emulated processor shows whether it shows."""
    qemu = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    if qemu is None:
        pytest.skip("qemu-user is not installed")
    if os.uname().machine != "x86_64":
        pytest.skip("these are processors of x86-64")
    size = 3 << 19
    expected = {codec: hashlib.sha256(compressed(codec, [SAMPLE[:size]])).hexdigest() for codec in CODECS}
    assert in_a_process([qemu, "-cpu", cpu], size=size) == expected


CHILD = """
import hashlib, sys
from hermes.layer.compress import CODECS
data = sys.stdin.buffer.read()
for name, codec in CODECS.items():
    out = bytearray()
    encoder = codec.encoder(out.extend)
    encoder.write(data)
    encoder.finish()
    print(name, hashlib.sha256(out).hexdigest())
"""


def in_a_process(prefix: list[str], size: int | None = None) -> dict[str, str]:
    """Return the digest of the sample, compressed by each codec in a process of its own."""
    command = [*prefix, sys.executable, "-c", CHILD]
    done = subprocess.run(command, input=SAMPLE[:size], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-500:]
    return dict(line.split() for line in done.stdout.decode().splitlines())


@pytest.mark.parametrize(("tool", "codec"), [("zstd", "zstd"), ("gzip", "gzip")])
def test_the_usual_tools_read_it(tool: str, codec: str) -> None:
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    packed = compressed(codec, [SAMPLE])
    assert subprocess.run([tool, "-dc"], input=packed, capture_output=True, check=True).stdout == SAMPLE


def test_the_identity_names_encoder_version_and_parameters() -> None:
    assert CODECS["zstd"].identity.startswith("zstd 1.")
    assert "level=" in CODECS["gzip"].identity
