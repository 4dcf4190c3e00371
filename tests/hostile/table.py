"""What became of all hostile inputs of a kind, tried in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from typing import Final

from hermes.store.removal import remove_tree
from tests.conftest import ROOT

GOOD: Final = ("taken", "refused")


@dataclass(frozen=True, slots=True)
class Row:
    """The verdicts of the cases of a kind, how much memory the process had, and what was slowest (seconds of CPU)."""

    kind: str
    verdicts: dict[str, str]
    megabytes: float
    slowest: tuple[str, float]

    @property
    def cases(self) -> int:
        return len(self.verdicts)

    @property
    def counts(self) -> Counter[str]:
        return Counter(one.partition(":")[0] for one in self.verdicts.values())

    @property
    def wrong(self) -> dict[str, str]:
        return {name: verdict for name, verdict in self.verdicts.items() if verdict not in GOOD}

    def __str__(self) -> str:
        counts = self.counts
        columns = [counts[one] for one in (*GOOD, "outside", "hung", "traceback")]
        numbers = "".join(f"{one:>11}" for one in (self.cases, *columns))
        name, seconds = self.slowest
        return f"{self.kind:12}{numbers}{self.megabytes:>8.0f}  {name} ({seconds:.1f} s)"


HEAD: Final = (
    f"{'kind':12}"
    + "".join(f"{one:>11}" for one in ("cases", *GOOD, "outside", "hung", "tracebacks"))
    + f"{'MB':>8}  slowest"
)


def tried(kind: str, step: int) -> Row:
    """Try the cases of a kind; see `tests.hostile.run`."""
    folder = tempfile.mkdtemp()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tests.hostile.run", kind, folder, str(step)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        remove_tree(folder)  # some trees are deeper than shutil can go
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    verdicts = {**said["found"], "what is listed afterwards": said["after"]}
    return Row(kind, verdicts, said["megabytes"], tuple(said["slowest"]))
