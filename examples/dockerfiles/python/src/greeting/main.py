"""The command ``greeting``."""

import sys


def main() -> None:
    print(f"Hello, {' '.join(sys.argv[1:]) or 'world'}!")
