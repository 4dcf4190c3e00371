"""``python -m tests.hostile``: try all hostile inputs, and show what became of them."""

from __future__ import annotations

import sys

from tests.hostile.run import KINDS
from tests.hostile.table import HEAD, tried


def main() -> int:
    print(HEAD)
    rows = []
    for kind in KINDS:
        rows.append(tried(kind, 1))
        print(rows[-1], flush=True)
        for name, verdict in rows[-1].wrong.items():
            print(f"  {name}: {verdict}")
    return any(row.wrong for row in rows)


if __name__ == "__main__":
    sys.exit(main())
