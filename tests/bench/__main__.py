"""``python -m tests.bench [--small] [--json FILE] [CASE...]``"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.bench.cases import CASES, FULL, SMALL
from tests.bench.timing import Row


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Time Hermes beside its peers."
    )
    parser.add_argument("case", nargs="*", choices=[[], *CASES], help="what to run; all if left out")
    parser.add_argument("--small", action="store_true", help="little work: to see that it runs, not how fast")
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    arguments = parser.parse_args()
    rows: list[Row] = []
    print(f"{'case':36} {'Hermes':>12} {'peer':>10} {'ratio':>7} {'bound':>7}")
    for name in arguments.case or CASES:
        folder = Path(tempfile.mkdtemp(prefix="hermes-bench-"))
        try:
            for row in CASES[name](folder, SMALL if arguments.small else FULL):
                rows.append(row)
                _print(row)
        except LookupError as error:
            print(f"{name}: left out: {error}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=2))
    return 0 if arguments.small or all(row.is_met for row in rows) else 1


def _print(row: Row) -> None:
    peer = f"{row.peer:.3f} s" if row.peer else ""
    ratio = f"{row.figure:.2f}" if row.peer else ""
    verdict = "" if row.is_met else "  MISSED"
    print(
        f"{row.case:36} {row.ours:8.3f} {row.unit:3} {peer:>10} {ratio:>7} {row.bound:7.2f}{verdict}",
        flush=True,
    )


sys.exit(main())
