"""Kill builds and containers at random moments, and say what was left of them: ``make chaos``.

Ends with the status 1 when something was wrong.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.kills import Chaos


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="how many commands to kill (default: 1000)")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments")
    parser.add_argument("--user", default="", help="who runs the commands, if not you; takes root")
    parser.add_argument("--runtime", default="bwrap", help="what runs commands: bwrap, crun or runc")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hermes-chaos-"))
    folder.chmod(0o755)
    began = time.monotonic()
    try:
        chaos = Chaos(
            folder, options.seed, options.user, options.runtime, say=lambda text: print(text, flush=True)
        )
        chaos.run(options.kills)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for (kind, how), count in sorted(chaos.kills.items()):
        print(f"{count:5}  {kind}: {how}")
    print(f"{chaos.kills.total():5}  in {time.monotonic() - began:.0f} s, with {len(chaos.faults)} faults")
    for fault in chaos.faults:
        print(fault)
    return int(bool(chaos.faults))


if __name__ == "__main__":
    sys.exit(main())
