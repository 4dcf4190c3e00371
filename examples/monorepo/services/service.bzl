"""What the services of this repository are, each kind said once: an image, a test of it, and where it is pushed to."""

load("@hermes//rules:node.bzl", "node_image")
load("@hermes//rules:programs.bzl", "binary_image")
load("@hermes//rules:python.bzl", "py_image")

REGISTRY = "registry.example.org/shop"

_BASE = "//examples/monorepo/base"
_LIB = "//examples/monorepo/lib"
_COMMON = {
    "user": "65532:65532",
    "visibility": ["//visibility:public"],
}

def python_service(name, says, path = "/"):
    """Declares a web service in Python whose `app` is in service.py.

    Args:
      name: the service.
      says: patterns of what `path` answers.
      path: what its test asks for.
    """
    py_image(
        name = name,
        srcs = ["service.py"],
        args = [
            "--bind=0.0.0.0:8000",
            "--worker-tmp-dir=/dev/shm",
            "service:app",
        ],
        base = _BASE + ":python",
        deps = [_BASE + ":py_deps"],
        layers = [_LIB + "/python:shop"],
        ports = ["8000"],
        script = "gunicorn",
        **_COMMON
    )
    _answers(name, says, path)
    _pushed(name)

def node_service(name, says, path = "/"):
    """Declares a web service for Node.js that service.js starts.

    Args:
      name: the service.
      says: patterns of what `path` answers.
      path: what its test asks for.
    """
    node_image(
        name = name,
        srcs = ["service.js"],
        base = _BASE + ":node",
        deps = [_BASE + ":npm_deps"],
        layers = [_LIB + "/node:web"],
        main = "service.js",
        ports = ["8000"],
        **_COMMON
    )
    _answers(name, says, path)
    _pushed(name)

def c_program(name, args, says):
    """Declares the image of a program in C, from NAME.c.

    Args:
      name: the program.
      args: arguments of its test.
      says: patterns of what it prints then.
    """
    genrule(
        name = name + "_compiled",
        srcs = [name + ".c"],
        outs = [name],
        cmd = "tcc -o $OUTS $SRCS",
        root = _BASE + ":compiler",
    )
    binary_image(
        name = name + "_image",
        base = _BASE + ":libc",
        program = ":%s_compiled" % name,
        **_COMMON
    )
    command_test(
        name = name + "_test",
        argv = ["/usr/local/bin/" + name] + args,
        expected_output = says,
        image = ":%s_image" % name,
        size = "small",
    )
    _pushed(name, ":%s_image" % name)

def cron_job(name, schedule, says):
    """Declares an image that runs NAME.sh by a schedule.

    Args:
      name: the job.
      schedule: when, in the five fields of crontab.
      says: patterns of what it prints.
    """
    files_layer(
        name = name + "_program",
        srcs = [name + ".sh"],
        dest = "/srv",
        mode = "0755",
    )
    write_file(
        name = name + "_crontab",
        content = "%s /srv/%s.sh\n" % (schedule, name),
    )
    files_layer(
        name = name + "_schedule",
        files = {"/etc/crontabs/root": ":%s_crontab" % name},
    )
    image(
        name = name,
        entrypoint = [
            "/usr/bin/busybox",
            "crond",
            "-f",
            "-c",
            "/etc/crontabs",
        ],
        layers = [
            _BASE + ":busybox",
            _BASE + ":shell",
            ":%s_program" % name,
            ":%s_schedule" % name,
        ],
        visibility = ["//visibility:public"],
    )
    command_test(
        name = name + "_test",
        argv = ["/srv/%s.sh" % name],
        expected_output = says,
        image = ":" + name,
        size = "small",
    )
    image_test(
        name = name + "_structure",
        config = ["image_test.yaml"],
        image = ":" + name,
        size = "small",
    )
    _pushed(name)

def _answers(name, says, path):
    http_test(
        name = name + "_test",
        expected_output = says,
        image = ":" + name,
        path = path,
        port = 8000,
        size = "small",
    )

def _pushed(name, image = None):
    image_push(
        name = name + "_push",
        image = image or ":" + name,
        repository = "%s/%s" % (REGISTRY, name),
        tags = ["latest"],
    )
