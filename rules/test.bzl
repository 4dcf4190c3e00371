"""Tests of images, which `hermes test` runs."""

# How programs run: as `hermes run` runs the image, but for what is opened.
_OPENED = {
    "cap_add": attr.string_list(doc = "Capabilities that root in the container has, such as NET_RAW; `all` are all."),
    "cap_drop": attr.string_list(doc = "Capabilities of the profile that it has not."),
    "env": attr.string_dict(doc = "Variables besides those of the image."),
    "hostname": attr.string(doc = "The host name that programs see."),
    "network": attr.bool(doc = "Whether programs have a network with a way out. What they find there is not in the key of the result."),
    "profile": attr.string(
        default = "strict",
        values = ["strict", "server"],
        doc = "What programs may do: server is for those that begin as root, write below /run and /var and bind a port.",
    ),
    "tmpfs": attr.path_list(doc = "Empty folders in memory."),
    "user": attr.string(doc = "Who runs programs, in the place of the image's user."),
    "workdir": attr.path(doc = "Where programs start, in the place of the image's."),
    "writable": attr.bool(doc = "Whether programs may write to their root; what they write is thrown away."),
}

_IMAGE = attr.label(mandatory = True, providers = [ImageInfo], doc = "The image that is tested.")

def _tested(ctx, **what):
    """Declares the test of a target.

    Args:
      ctx: that of the rule.
      **what: what is asked for: `files`, `data`, `command`, `http`, `args`.

    Returns:
      the TestInfo.
    """
    return ctx.actions.test(
        ctx.label.name,
        image = ctx.attr.image[ImageInfo],
        capabilities = ctx.attr.cap_add,
        dropped = ctx.attr.cap_drop,
        env = ctx.attr.env,
        hostname = ctx.attr.hostname,
        network = ctx.attr.network,
        profile = ctx.attr.profile,
        tmpfs = ctx.attr.tmpfs,
        user = ctx.attr.user,
        workdir = ctx.attr.workdir or "",
        writable = ctx.attr.writable,
        size = ctx.attr.size,
        timeout = ctx.attr.timeout,
        exclusive = "exclusive" in ctx.attr.tags,
        **what
    )

def _image_test_impl(ctx):
    for file in ctx.files.config:
        if file.extension not in ("json", "yaml", "yml"):
            fail("%s is neither YAML nor JSON by its name" % file.path, attr = "config", hint = "call it *.yaml or *.json")
    return [_tested(ctx, files = ctx.files.config, data = ctx.files.data)]

image_test = rule(
    implementation = _image_test_impl,
    test = True,
    attrs = _OPENED | {
        "config": attr.label_list(
            mandatory = True,
            allow_empty = False,
            allow_files = True,
            doc = "Files of container-structure-test, schema 2.0.0, in YAML or JSON.",
        ),
        "data": attr.label_list(allow_files = True, doc = "Files that `envFile` and `bindMounts` of them name."),
        "image": _IMAGE,
    },
    doc = "A test of an image by files of container-structure-test.",
)

def _command_test_impl(ctx):
    return [_tested(ctx, command = {
        "argv": ctx.attr.argv,
        "excluded_error": ctx.attr.excluded_error,
        "excluded_output": ctx.attr.excluded_output,
        "exit_code": ctx.attr.exit_code,
        "expected_error": ctx.attr.expected_error,
        "expected_output": ctx.attr.expected_output,
        "name": " ".join(ctx.attr.argv),
    })]

command_test = rule(
    implementation = _command_test_impl,
    test = True,
    attrs = _OPENED | {
        "argv": attr.string_list(mandatory = True, allow_empty = False, doc = "The command as a list; no shell and no entry point is involved."),
        "excluded_error": attr.string_list(doc = "Patterns that its error output must not match."),
        "excluded_output": attr.string_list(doc = "Patterns that its output must not match."),
        "exit_code": attr.int(default = 0, doc = "The exit status that it has to end with."),
        "expected_error": attr.string_list(doc = "Patterns that its error output has to match."),
        "expected_output": attr.string_list(doc = "Patterns that its output has to match."),
        "image": _IMAGE,
    },
    doc = "A test of an image by a command that runs in it. Patterns have the syntax of RE2.",
)

def _http_test_impl(ctx):
    requests = [
        {"expected_output": [pattern] if pattern else [], "path": path}
        for path, pattern in ctx.attr.paths.items()
    ]
    if ctx.attr.path or not requests:
        requests.append({
            "body": ctx.attr.body,
            "excluded_output": ctx.attr.excluded_output,
            "expected_headers": ctx.attr.expected_headers,
            "expected_output": ctx.attr.expected_output,
            "headers": ctx.attr.headers,
            "method": ctx.attr.method,
            "path": ctx.attr.path or "/",
            "status": ctx.attr.status,
        })
    return [_tested(ctx, args = ctx.attr.args, http = {
        "health_check": ctx.attr.health_check,
        "loopback": ctx.attr.loopback,
        "port": ctx.attr.port,
        "ready": ctx.attr.ready,
        "requests": requests,
        "start_timeout": ctx.attr.start_timeout,
        "stop_timeout": ctx.attr.stop_timeout,
    })]

http_test = rule(
    implementation = _http_test_impl,
    test = True,
    attrs = _OPENED | {
        "args": attr.string_list(doc = "Arguments of the program, in the place of the image's command."),
        "body": attr.string(doc = "What is sent."),
        "excluded_output": attr.string_list(doc = "Patterns that the body of the answer must not match."),
        "expected_headers": attr.string_dict(doc = "Headers that the answer has to have, and patterns that they have to match."),
        "expected_output": attr.string_list(doc = "Patterns that the body of the answer has to match."),
        "headers": attr.string_dict(doc = "Headers that are sent."),
        "health_check": attr.bool(doc = "Whether to wait until the image's health check passes. It runs beside the program, in its network and in a root of its own."),
        "image": _IMAGE,
        "loopback": attr.bool(doc = "Whether the program may listen where only its own container reaches it."),
        "method": attr.string(default = "GET", doc = "The method of the request."),
        "path": attr.string(doc = "What is asked for; / if there are no `paths` either."),
        "paths": attr.string_dict(doc = "Paths that are asked for first, each with a pattern that the body has to match, or an empty string; the status has to be 200."),
        "port": attr.int(mandatory = True, doc = "The port that the program listens on."),
        "ready": attr.string(doc = "A path that answers with a status below 400 once the program is ready; it is ready when it listens if left out."),
        "start_timeout": attr.int(default = 30, doc = "How many seconds it has for that."),
        "status": attr.int(default = 200, doc = "The status that the answer has to have."),
        "stop_timeout": attr.int(default = 10, doc = "How many seconds it has to end after SIGTERM."),
    },
    doc = "A test of an image that is a server: it is started, waited for, asked, and stopped.",
)
