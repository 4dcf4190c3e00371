"""Rules that run a command in a root file system."""

load(":stack.bzl", "stack_of")

_STACK = [[LayerInfo], [ImageInfo]]

_MOUNTS = "What is there only while the command runs: bind(), cache() and tmpfs()."
_SECRETS = "Names of secrets, which are files in /run/secrets, or secret(). Their values are in no key and no layer."
_SECRET_VERSION = "Any text; changing it runs the command again, as after a secret has another value."
_SUBSCRIPTIONS = "Names of subscriptions in hermes.yaml, whose folders of this machine are mounted read-only."

def _argv_of(ctx):
    if ctx.attr.cmd and ctx.attr.argv:
        fail("cmd and argv are two ways to say one thing", attr = "argv", hint = "keep one of them")
    if not ctx.attr.cmd and not ctx.attr.argv:
        fail("there is no command", hint = 'give cmd = "..." for a shell, or argv = ["program", ...]')
    return ctx.attr.argv or ["/bin/sh", "-c", ctx.attr.cmd]

def _inputs_of(srcs):
    inputs = {}
    for path, target in srcs.items():
        if not target.files:
            fail("%s gives no files" % target.label, attr = "srcs")
        inputs[path] = target.files[0] if len(target.files) == 1 else target.files
    return inputs

def _run_layer_impl(ctx):
    root = stack_of(ctx.attr.base)
    made = ctx.actions.run(
        ctx.label.name,
        root = root.layers,
        environment = root.environment,
        argv = _argv_of(ctx),
        env = ctx.attr.env,
        inputs = _inputs_of(ctx.attr.srcs),
        cwd = ctx.attr.workdir or "",
        user = ctx.attr.user,
        network = ctx.attr.network,
        timeout = ctx.attr.timeout,
        outputs = ctx.attr.outs,
        secrets = ctx.attr.secrets,
        secret_version = ctx.attr.secret_version,
        mounts = ctx.attr.mounts,
        subscriptions = ctx.attr.subscriptions,
    )
    given = [LayerInfo(layers = [made.layer], base = root.layers)]
    if ctx.attr.outs:
        given.append(DefaultInfo(files = made.files))
    return given

run_layer = rule(
    implementation = _run_layer_impl,
    attrs = {
        "argv": attr.string_list(doc = "The command as a list; no shell is involved."),
        "base": attr.label_list(
            mandatory = True,
            allow_empty = False,
            providers = _STACK,
            doc = "An image or layers to run in, the lowest first. The first brings along what it was built on.",
        ),
        "cmd": attr.string(doc = "The command as a line for /bin/sh."),
        "env": attr.env_dict(doc = "Variables; $NAME refers to a value of the base image."),
        "mounts": attr.mount_list(allow_files = True, doc = _MOUNTS),
        "network": attr.bool(doc = "Whether the command may use the network. It is then not reproducible by itself."),
        "outs": attr.path_list(doc = "Files that the command makes and that are kept as files, not in the layer."),
        "secret_version": attr.string(doc = _SECRET_VERSION),
        "secrets": attr.secret_list(doc = _SECRETS),
        "srcs": attr.path_label_dict(
            allow_files = True,
            doc = "Files to mount while the command runs: a path, and one file, or several below it by their paths in their packages.",
        ),
        "subscriptions": attr.string_list(doc = _SUBSCRIPTIONS),
        "timeout": attr.int(doc = "Seconds after which the command is ended and fails."),
        "user": attr.string(doc = "Who runs the command: a name or a number, and a group after a colon."),
        "workdir": attr.path(doc = "Where the command runs."),
    },
    doc = "What a command changed in the file system below it, as a layer.",
)

def _genrule_impl(ctx):
    for name in ctx.attr.outs:
        if name.startswith("/") or ".." in name.split("/"):
            fail("%r is not a path in the folder that the command runs in" % name, attr = "outs")
    root = stack_of(ctx.attr.root)
    names = {"OUTS": ctx.attr.outs, "SRCS": [file.path for file in ctx.files.srcs]}
    env = {name: " ".join(paths).replace("$", "$$") for name, paths in names.items()}
    env.update(ctx.attr.env)
    made = ctx.actions.run(
        ctx.label.name,
        root = root.layers,
        environment = root.environment,
        argv = ["/bin/sh", "-c", ctx.attr.cmd],
        env = env,
        inputs = {".": ctx.files.srcs},
        network = ctx.attr.network,
        timeout = ctx.attr.timeout,
        outputs = ctx.attr.outs,
        layer = False,
        secrets = ctx.attr.secrets,
        secret_version = ctx.attr.secret_version,
        mounts = ctx.attr.mounts,
        subscriptions = ctx.attr.subscriptions,
    )
    return [DefaultInfo(files = made.files)]

genrule = rule(
    implementation = _genrule_impl,
    attrs = {
        "cmd": attr.string(mandatory = True, allow_empty = False, doc = "A line for /bin/sh; $SRCS and $OUTS name the files."),
        "env": attr.env_dict(doc = "Variables of the command."),
        "mounts": attr.mount_list(allow_files = True, doc = _MOUNTS),
        "network": attr.bool(doc = "Whether the command may use the network."),
        "outs": attr.output_list(mandatory = True, allow_empty = False, doc = "Files that the command makes. Each has a label of its own."),
        "root": attr.label_list(
            mandatory = True,
            allow_empty = False,
            providers = _STACK,
            doc = "The image or layers that the command runs in.",
        ),
        "secret_version": attr.string(doc = _SECRET_VERSION),
        "secrets": attr.secret_list(doc = _SECRETS),
        "srcs": attr.label_list(allow_files = True, doc = "Files, put where the command runs by their paths in their packages."),
        "subscriptions": attr.string_list(doc = _SUBSCRIPTIONS),
        "timeout": attr.int(doc = "Seconds after which the command is ended and fails."),
    },
    doc = "Files that a command makes.",
)

def _host_layer_impl(ctx):
    root = stack_of(ctx.attr.root)
    made = ctx.actions.host(
        ctx.label.name,
        root = root.layers,
        argv = _argv_of(ctx),
        tools = ctx.attr.tools,
        env = ctx.attr.env,
        inputs = _inputs_of(ctx.attr.srcs),
        network = ctx.attr.network,
        timeout = ctx.attr.timeout,
        outputs = ctx.attr.outs,
    )
    given = [LayerInfo(layers = [made.layer], base = root.layers)]
    if ctx.attr.outs:
        given.append(DefaultInfo(files = made.files))
    return given

host_layer = rule(
    implementation = _host_layer_impl,
    attrs = {
        "argv": attr.string_list(doc = "The command as a list; no shell is involved."),
        "cmd": attr.string(doc = "The command as a line for the machine's /bin/sh; $HERMES_ROOT is what it fills."),
        "env": attr.env_dict(doc = "Variables of the command."),
        "network": attr.bool(doc = "Whether the command may use the network. It is then not reproducible by itself."),
        "outs": attr.path_list(doc = "Files in $HERMES_ROOT that are kept as files, not in the layer."),
        "root": attr.label_list(
            providers = _STACK,
            doc = "An image or layers that are in $HERMES_ROOT at the start; it is empty without.",
        ),
        "srcs": attr.path_label_dict(
            allow_files = True,
            doc = "Files to mount while the command runs: a path below /run, and one file, or several below that by their paths in their packages.",
        ),
        "timeout": attr.int(doc = "Seconds after which the command is ended and fails."),
        "tools": attr.path_dict(
            mandatory = True,
            allow_empty = False,
            doc = "The tools of the machine that the command uses: paths, and the version of each, or `sha256:` and its digest.",
        ),
    },
    doc = "What a tool of this machine, such as mmdebstrap or dnf, put into a root file system, as a layer.",
)
