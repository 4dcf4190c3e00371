"""Says hello, and where from."""

import argparse
import os
import platform

import greeting


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="world")
    arguments = parser.parse_args()
    print(greeting.of(arguments.name))
    print(f"This is Python {platform.python_version()} as user {os.getuid()}, from {greeting.__cached__}")


if __name__ == "__main__":
    main()
