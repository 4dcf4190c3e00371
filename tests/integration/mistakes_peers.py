"""What peers say of the mistakes of `tests.integration.mistakes`, as it was seen: without prefixes and other steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PEERS: Final[Mapping[str, Mapping[str, str]]] = {
    "a target's name": {
        "Bazel": "no such target '//app:imge': target 'imge' not declared in package 'app' (did you mean 'image'?) defined by /workspace/app/BUILD"
    },
    "a package's name": {
        "Bazel": "no such package 'ap': BUILD file not found in any of the following directories. Add a BUILD file to a directory to mark it as a package.\n - /workspace/ap"
    },
    "an attribute": {
        "Bazel": "/workspace/app/BUILD:2:8: //app:image: no such attribute 'src' in 'genrule' rule\nerror loading package 'app': Package 'app' contains errors"
    },
    "a rule": {"Bazel": "/workspace/app/BUILD:2:1: name 'genrul' is not defined (did you mean 'genrule'?)"},
    "a file to load": {"Bazel": "error loading package 'app': cannot load '//app:defs.bzl': no such file"},
    "a rule file's name to load": {
        "Bazel": "Traceback (most recent call last):\n\tFile \"/workspace/app/BUILD\", line 1, column 22, in <toplevel>\n\t\tload(\"//lib:x.bzl\", \"apt_layers\")\nError: file '//lib:x.bzl' does not contain symbol 'apt_layers' (did you mean 'apt_layer'?)"
    },
    "a string where a dictionary belongs": {
        "Bazel": "/workspace/app/BUILD:2:8: //app:image: expected value of type 'string' for attribute 'cmd' in 'genrule' rule, but got [\"x\"] (list)"
    },
    "a file that is not there": {
        "Bazel": "/workspace/app/BUILD:1:10: //app:image: missing input file '//app:g.txt'\n/workspace/app/BUILD:1:10 1 input file(s) do not exist"
    },
    "a dependency that is not there": {
        "Bazel": "/workspace/app/BUILD:2:8: Executing genrule //app:image failed: missing input file '//app:layr'"
    },
    "a dependency cycle": {
        "Bazel": "/workspace/app/BUILD:1:10: in filegroup rule //app:a: cycle in dependency graph:\n.-> //app:a\n|   //app:b"
    },
    "a missing parenthesis": {"Bazel": "/workspace/app/BUILD:3:1: syntax error at 'newline': expected ,"},
    "a name that is not defined": {"Bazel": "/workspace/app/BUILD:1:31: name 'PROGRAM' is not defined"},
    "a target that may not be used here": {
        "Bazel": "/workspace/app/BUILD:1:8: in genrule rule //app:image: target '//lib:layer' is not visible from target '//app:image'. Check the visibility declaration of the former target if you think the dependency is legitimate"
    },
    "a select() without a case": {
        "Bazel": '/workspace/app/BUILD:2:8: Configurable attribute "cmd" doesn\'t match this configuration (would a default condition help?).\n //app:on'
    },
    "an instruction": {
        "BuildKit": "dockerfile parse error line 2: unknown instruction: RUNN",
        "buildah": 'building at STEP "RUNN ": Build error: Unknown instruction: "RUNN" &imagebuilder.Step{Env:[]string{...}, Command:"runn", ...}',
    },
    "a context without a Dockerfile": {
        "BuildKit": "failed to read dockerfile: open /var/lib/docker/tmp/buildkit-mount3753520301/Dockerfile: no such file or directory",
        "buildah": "cannot find Containerfile or Dockerfile in context directory: stat /workspace/Dockerfile: no such file or directory",
    },
    "a folder for a Dockerfile": {
        "BuildKit": "failed to read dockerfile: read /var/lib/docker/tmp/buildkit-mount1830819939/docker: is a directory",
        "buildah": 'containerfile: "docker" cannot be path to a directory',
    },
    "a variable without a value in FROM": {
        "BuildKit": 'failed to parse stage name "debian:": invalid reference format',
        "buildah": 'missing "VERSION" build argument. Try adding "--build-arg VERSION=<VALUE>" to the command line\ncreating build container: invalid reference format',
    },
    "a stage to copy from": {
        "BuildKit": 'failed to load cache key: failed to do request: Head "https://registry-1.docker.io/v2/library/biuld/manifests/latest": dial tcp: lookup registry-1.docker.io: no such host',
        "buildah": "COPY --from=biuld: no stage or image found with that name",
    },
    "a stage to build": {
        "BuildKit": "target stage biuld could not be found",
        "buildah": 'The target "biuld" was not found in the provided Dockerfile',
    },
    "a source of COPY": {
        "BuildKit": 'failed to compute cache key: "/ap.py" not found: not found',
        "buildah": 'building at STEP "COPY ap.py /": checking on sources under "/workspace": copier: stat: "/ap.py": no such file or directory',
    },
    "a source that .dockerignore leaves out": {
        "BuildKit": 'failed to compute cache key: "/app.py" not found: not found',
        "buildah": 'building at STEP "COPY app.py /": no items matching glob "/workspace/app.py" copied (1 filtered out using /workspace/.dockerignore): no such file or directory',
    },
    "a flag of an instruction": {
        "BuildKit": "dockerfile parse error line 2: Unknown flag: chwon",
        "buildah": 'building at STEP "COPY --chwon=1 app.py /": COPY only supports the --chmod=<permissions> --chown=<uid:gid> and the --from=<image|stage> flags',
    },
    "a command that fails": {
        "BuildKit": "0.192 no luck\nexecutor failed running [/bin/sh -c echo no luck; exit 3]: exit code: 3",
        "buildah": 'subprocess exited with status 3\nbuilding at STEP "RUN echo no luck; exit 3": exit status 3',
    },
    "a program that is not there": {
        "BuildKit": "0.123 /bin/sh: pyhton: not found\nexecutor failed running [/bin/sh -c pyhton app.py]: exit code: 127",
        "buildah": '/bin/sh: pyhton: not found\nsubprocess exited with status 127\nbuilding at STEP "RUN pyhton app.py": exit status 127',
    },
    "a port": {"BuildKit": "Invalid containerPort: 80a", "buildah": "(builds)"},
    "a platform": {"BuildKit": "(builds)", "buildah": "(builds)"},
    "a registry that is away": {
        "BuildKit": 'Error response from daemon: Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
        "buildah": 'initializing source docker://127.0.0.1:1/app:v1: pinging container registry 127.0.0.1:1: Get "https://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
    },
    "a key of a compose file": {
        "docker compose": "validating /workspace/compose.yaml: services.web.build Additional property contxt is not allowed"
    },
    "a cycle of bake targets": {
        "BuildKit": "(does not notice it) failed to read dockerfile: open /var/lib/docker/tmp/buildkit-mount1206004343/Dockerfile: no such file or directory"
    },
    "a field of a test": {
        "container-structure-test": "Error: error parsing config file: error unmarshalling config: yaml: unmarshal errors:\n  line 5: field permission not found in type v2.FileExistenceTestHolder"
    },
}
