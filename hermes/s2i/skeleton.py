"""What ``hermes s2i create`` writes: the beginning of a builder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hermes.errors import UsageError

_DOCKERFILE: Final = """\
# The builder image {name}: what applications are built and run with.
# Build it: hermes bud -t {name} .
FROM docker.io/library/debian:12-slim

LABEL io.k8s.description="Builds and runs ... applications" \\
      io.k8s.display-name="{name}" \\
      io.openshift.s2i.scripts-url="image:///usr/libexec/s2i"

# What applications need: a language, its package manager, compilers.
# RUN apt-get update && apt-get install -y --no-install-recommends ... && rm -rf /var/lib/apt/lists/*

COPY s2i/bin/ /usr/libexec/s2i/

# The application belongs to user 1001 and group 0, so that any user of that group can run it, as OpenShift does.
RUN mkdir -p /opt/app-root/src && chown -R 1001:0 /opt/app-root && chmod -R g=u /opt/app-root
ENV HOME=/opt/app-root/src
WORKDIR /opt/app-root/src
USER 1001
CMD ["/usr/libexec/s2i/usage"]
"""
_ASSEMBLE: Final = """\
#!/bin/sh
# Builds an application: its source is in /tmp/src, what save-artifacts printed of the last build in /tmp/artifacts.
set -e

if [ -d /tmp/artifacts ]; then
    echo "---> Restoring artifacts of the last build"
    cp -R /tmp/artifacts/. ./
fi

echo "---> Taking the source"
cp -R /tmp/src/. ./

echo "---> Building"
# such as: npm ci, pip install -r requirements.txt, make
"""
_RUN: Final = """\
#!/bin/sh
# Starts the application; exec, so that signals reach it.
exec cat index.html
"""
_SAVE: Final = """\
#!/bin/sh
# Prints a tar archive of what the next build can use again, and nothing else.
set -e
[ ! -d deps ] || tar -cf - deps
"""
_USAGE: Final = """\
#!/bin/sh
cat <<END
{name} builds ... applications:

    hermes s2i build SOURCE {name} TAG
    hermes run TAG
END
"""
_TEST: Final = """\
#!/bin/sh
# Builds the application of this folder twice, the second time with the artifacts of the first, and starts it.
set -e
here=$(cd "$(dirname "$0")" && pwd)
image=${{IMAGE_NAME:-{name}}}
for turn in 1 2; do
    hermes s2i build --copy --incremental --pull-policy never "$here/test-app" "$image" "$image-test"
done
hermes s2i usage --pull-policy never "$image"
hermes run "$image-test"
hermes rmi "$image-test"
"""
_MAKEFILE: Final = """\
IMAGE_NAME = {name}

.PHONY: build test
build:
\thermes bud -t $(IMAGE_NAME) .

test: build
\tIMAGE_NAME=$(IMAGE_NAME) test/run
"""
_README: Final = """\
# {name}

A builder image for Source-to-Image.

| file | |
| --- | --- |
| Dockerfile | the builder: what applications are built and run with |
| s2i/bin/assemble | builds an application |
| s2i/bin/run | starts it |
| s2i/bin/save-artifacts | prints what the next build can use again; optional |
| s2i/bin/usage | says how the builder is used; optional |
| test/run | builds test/test-app and starts it |

`make build` builds the builder, `make test` tries it.
"""
_INDEX: Final = "<!doctype html>\n<title>Hello</title>\n<h1>Hello</h1>\n"

_FILES: Final = {
    "Dockerfile": (_DOCKERFILE, 0o644),
    "Makefile": (_MAKEFILE, 0o644),
    "README.md": (_README, 0o644),
    "s2i/bin/assemble": (_ASSEMBLE, 0o755),
    "s2i/bin/run": (_RUN, 0o755),
    "s2i/bin/save-artifacts": (_SAVE, 0o755),
    "s2i/bin/usage": (_USAGE, 0o755),
    "test/run": (_TEST, 0o755),
    "test/test-app/index.html": (_INDEX, 0o644),
}


def skeleton(name: str, folder: Path) -> Iterator[str]:
    """Write the files that are not there, and yield their paths; raises `UsageError`."""
    for path, (text, mode) in _FILES.items():
        target = folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        except FileExistsError:
            continue
        except OSError as error:
            raise UsageError(
                f"{target}: {error.strerror}", hint="name a folder that can be written"
            ) from None
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text.format(name=name))
        yield str(target)
