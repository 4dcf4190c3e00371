"""Ranges of versions, held to what npm's library ``semver`` says of them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from hermes.node.semver import Version, is_range, satisfies

VERSIONS = [
    "0.0.0",
    "0.0.1",
    "0.0.2",
    "0.1.0",
    "0.1.2",
    "0.2.0",
    "1.0.0-0",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-beta.2",
    "1.0.0",
    "1.2.0",
    "1.2.3-rc.1",
    "1.2.3",
    "1.2.4",
    "1.3.0-0",
    "1.3.0",
    "2.0.0-0",
    "2.0.0",
    "2.1.0",
    "10.0.0",
    "18.19.1",
    "20.20.2",
    "22.0.0-nightly",
    "v1.2.3",
    "1.2",
    "x",
]
RANGES = [
    "*",
    "x",
    "",
    "1",
    "1.x",
    "1.2",
    "1.2.x",
    "1.2.3",
    "v1.2.3",
    "=1.2.3",
    "1.2.3-rc.1",
    "0",
    "0.0",
    "0.0.1",
    ">1",
    ">1.2",
    ">1.2.3",
    ">=1",
    ">=1.2",
    ">=1.2.3",
    "<1",
    "<1.2",
    "<1.2.3",
    "<=1",
    "<=1.2",
    "<=1.2.3",
    "~1",
    "~1.2",
    "~1.2.3",
    "~0.0.1",
    "~> 1.2",
    "^1",
    "^1.2",
    "^1.2.3",
    "^0",
    "^0.0",
    "^0.0.1",
    "^0.1.2",
    "^1.2.3-rc.1",
    "^1.0.0-alpha",
    ">=1.0.0-alpha <1.0.0",
    "1.2.3 - 2",
    "1.2 - 2.0.0",
    "1 - 2.1",
    "0.0.1 - 1.2.3-rc.1",
    ">= 1.2 < 2",
    ">=18,<20",
    ">=1.2.3+build",
    "^x",
    ">x",
    "<x",
    ">=x",
    "1.2.3.4",
    "latest",
    ">=",
    "!1",
    "1.2.3-",
]
ALTERNATIVES = (
    "^10 || ^12 || >=14",
    "6.* || 8.* || >= 10.*",
    "18 || 20 || >=22",
    "^0.1||2.x",
    "1.2.3||",
    "||",
)


def node() -> tuple[str, Path]:
    """Return Node.js and npm's own library."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if not program or not npm:
        pytest.skip("npm is not installed")
    library = Path(npm).resolve().parent.parent / "node_modules/semver"
    if not library.is_dir():
        pytest.skip("the library semver is not part of this npm")
    return program, library


def test_a_range_holds_what_npm_says_it_holds() -> None:
    program, library = node()
    rows = [(version, wanted) for wanted in (*RANGES, *ALTERNATIVES) for version in VERSIONS]
    script = (
        f"const s = require({json.dumps(str(library))});"
        "const rows = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        "console.log(JSON.stringify(rows.map(([v, r]) =>"
        " [s.satisfies(v, r), s.satisfies(v, r, { includePrerelease: true }), s.validRange(r) !== null])));"
    )
    done = subprocess.run(
        [program, "-e", script], input=json.dumps(rows), capture_output=True, text=True, check=True
    )
    for (version, wanted), said in zip(rows, json.loads(done.stdout), strict=True):
        ours = [
            satisfies(version, wanted),
            satisfies(version, wanted, prereleases=True),
            is_range(wanted),
        ]
        assert ours == said, (version, wanted)


def test_versions_are_ordered_as_the_specification_says() -> None:
    rising = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
    ]
    found = [Version.parse(one) for one in rising]
    assert all(found)
    assert sorted([*found[3:], *found[:3]], key=lambda one: one.key) == found
