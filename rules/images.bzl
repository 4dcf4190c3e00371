"""Images."""

load(":stack.bzl", "stack_of")

_STACK = [[LayerInfo], [ImageInfo]]

def _port(text, attribute = "ports"):
    number, slash, protocol = text.partition("/")
    if not number.isdigit() or int(number) < 1 or int(number) > 65535 or (slash and protocol not in ("tcp", "udp", "sctp")):
        fail("%r is not a port" % text, attr = attribute, hint = 'write "8080" or "53/udp"')
    return "%s/%s" % (number, protocol or "tcp")

def _single(ctx, attribute):
    """Returns the one file that an attribute names, or None without any."""
    files = getattr(ctx.files, attribute)
    if len(files) > 1:
        fail("%s gives %d files, not one" % (getattr(ctx.attr, attribute).label, len(files)), attr = attribute)
    return files[0] if files else None

def composed(ctx, layers, entrypoint, cmd, env, workdir, dropped = [], program = "", programs = []):
    """Makes the image of a rule that has the attributes `IMAGE_ATTRS`.

    Args:
      ctx: that of the rule.
      layers: the LayerInfo of each of the image's own layers, the lowest first.
      entrypoint: the program that it starts, as a list.
      cmd: the arguments of that, as a list.
      env: variables, as `env` has them.
      workdir: where the program starts, or an empty string.
      dropped: settings of the base that are to be empty: "cmd", "entrypoint".
      program: the path of a program for which, with all that it loads, the image must have the libraries, or an empty string.
      programs: layers for whose ELF files the image must have the libraries. Both ask for the attributes `CHECK_ATTRS`.

    Returns:
      the ImageInfo.
    """
    base = stack_of(ctx.attr.base)
    own = []
    built_on = {}
    made_on = {}
    for info in layers:
        below = list(info.base)
        for layer in info.layers:
            if layer in own or layer in base.layers:
                continue
            own.append(layer)
            built_on[layer] = below + base.layers
            made_on[layer] = below
            below = below + [layer]
    for target in ctx.attr.base:
        if LayerInfo in target:
            below = list(target[LayerInfo].base)
            for layer in target[LayerInfo].layers:
                built_on[layer] = below
                made_on[layer] = below
                below = below + [layer]
    checks = []
    stacked = own
    most = 1 if ctx.attr.squash else ctx.attr.max_layers
    if most != None and most < 1:
        fail("must be at least 1, not %d" % most, attr = "max_layers")
    if most != None and len(own) > most:
        lowest = len(own) - most + 1
        merged = ctx.actions.squash(ctx.label.name + ".squashed", own[:lowest], below = base.layers)
        stacked = [merged] + own[lowest:]
    checked = {}
    if program:
        checked["program"] = [layer for layer in base.layers + own if not base.image or layer not in base.layers]
    if programs:
        checked["programs"] = programs
    for kind, listed in checked.items():
        if ctx.attr.check_libraries:
            checks.append(ctx.actions.check_programs(
                "%s.%s" % (ctx.label.name, kind),
                layers = listed,
                root = base.layers + own,
                start = program if kind == "program" else "",
                missing = ctx.attr.missing_libraries,
                env = env,
                environment = base.environment,
            ))
    unset = {
        "env": ctx.attr.unset_env,
        "labels": ctx.attr.unset_labels,
        "ports": [port if port == "*" else _port(port, "unset_ports") for port in ctx.attr.unset_ports],
        "settings": dropped + [name for name in ("stop_signal", "user") if getattr(ctx.attr, name) == ""],
        "volumes": ctx.attr.unset_volumes,
    }
    unset = {name: values for name, values in unset.items() if values}
    config = {
        "cmd": cmd,
        "created": ctx.attr.created,
        "entrypoint": entrypoint,
        "env": env,
        "health_check": ctx.attr.health_check,
        "health_check_options": ctx.attr.health_check_options,
        "labels": ctx.attr.labels,
        "ports": [_port(port) for port in ctx.attr.ports],
        "stop_signal": ctx.attr.stop_signal or "",
        "user": ctx.attr.user or "",
        "volumes": ctx.attr.volumes,
        "workdir": workdir,
    }
    if unset:
        config["unset"] = unset
    if len(stacked) < len(own):  # whether the layers agree is asked of them as they are
        checks.append(ctx.actions.image(
            ctx.label.name + ".layers",
            base = base.image,
            layers = own if base.image else base.layers + own,
            built_on = built_on,
            made_on = made_on,
            allow_conflicts = ctx.attr.allow_conflicts,
        ).config)
    return ctx.actions.image(
        ctx.label.name,
        base = base.image,
        layers = stacked if base.image else base.layers + stacked,
        built_on = built_on,
        made_on = made_on,
        config = config,
        annotations = ctx.attr.annotations,
        compression = "gzip" if ctx.attr.format == "docker" else ctx.attr.compression,
        compression_level = ctx.attr.compression_level,
        allow_conflicts = ctx.attr.allow_conflicts,
        checks = checks,
        env_file = _single(ctx, "env_file"),
        labels_file = _single(ctx, "labels_file"),
        format = ctx.attr.format,
    )

def _image_impl(ctx):
    return [composed(
        ctx,
        [target[LayerInfo] for target in ctx.attr.layers],
        entrypoint = ctx.attr.entrypoint or [],
        cmd = ctx.attr.cmd or [],
        env = ctx.attr.env,
        workdir = ctx.attr.workdir or "",
        dropped = [name for name in ("cmd", "entrypoint") if getattr(ctx.attr, name) == []],
        programs = [layer for target in ctx.attr.layers for layer in target[LayerInfo].layers],
    )]

def _image_pull_impl(ctx):
    digest = ctx.attr.digest or ctx.locked(ctx.attr.ref)
    return [ctx.actions.pull(
        ctx.label.name,
        ref = ctx.attr.ref,
        digest = digest,
        folders = None if ctx.attr.digest else ctx.locked_folders(digest),
    )]

def _image_pull_lock(ctx):
    if ctx.attr.digest:
        return None
    return struct(
        kind = "image",
        ref = ctx.attr.ref,
        platforms = ctx.attr.platforms or [str(ctx.platform)],
    )

image_pull = rule(
    implementation = _image_pull_impl,
    lock = _image_pull_lock,
    attrs = {
        "digest": attr.string(doc = "The digest of the image, or of an index with images for several platforms; what `hermes lock` pinned if left out."),
        "platforms": attr.string_list(doc = "The platforms that `hermes lock` pins the image for; the build's own if left out."),
        "ref": attr.string(mandatory = True, doc = "The image's name in its registry, such as docker.io/library/debian:12."),
    },
    doc = "An image of a registry. Its manifest and configuration are downloaded; a layer only when a command must see it.",
)

def _image_import_impl(ctx):
    if not ctx.files.src:
        fail("%s gives no files" % ctx.attr.src[0].label, attr = "src")
    return [ctx.actions.import_image(ctx.label.name, files = ctx.files.src, image = ctx.attr.image)]

image_import = rule(
    implementation = _image_import_impl,
    attrs = {
        "image": attr.string(doc = "The tag or name of the image, where there are several."),
        "platform": attr.platform(doc = "What the image is for, such as linux/arm64; the build's platform if left out."),
        "src": attr.label_list(mandatory = True, allow_empty = False, allow_files = True, doc = "An archive: an OCI layout as a tar, what `docker save` writes, or a root file system as a tar; compressed or not. Or all files of an OCI layout, as glob([\"base/**\"])."),
    },
    doc = "An image from files: of the workspace, or fetched, or made by a command.",
)

def _image_push_impl(ctx):
    return [ctx.actions.push(
        ctx.label.name,
        image = ctx.attr.image[IndexInfo] if IndexInfo in ctx.attr.image else ctx.attr.image[ImageInfo],
        repository = ctx.attr.repository,
        tags = ctx.attr.tags,
        compression = ctx.attr.compression,
        compression_level = ctx.attr.compression_level,
    )]

image_push = rule(
    implementation = _image_push_impl,
    attrs = {
        "compression": attr.string(values = ["zstd", "gzip"], doc = "What layers are compressed with that are not yet; they stay as they are if left out."),
        "compression_level": attr.int(doc = "How hard, as of image; layers that are compressed so already are compressed again."),
        "image": attr.label(mandatory = True, providers = [[ImageInfo], [IndexInfo]], doc = "What is pushed."),
        "repository": attr.string(mandatory = True, doc = "Where to, such as registry.example.org/team/app."),
        "tags": attr.string_list(doc = "The image's tags there; without any it is found by its digest only."),
    },
    doc = "An image and where it goes: `hermes push` and `hermes run` of this target push it.",
)

# What rules have that know their programs; see `composed`.
CHECK_ATTRS = {
    "check_libraries": attr.bool(default = True, doc = "Whether each library that a program of the image needs must be in the image: found as the dynamic loader finds it."),
    "missing_libraries": attr.string_list(doc = "Libraries that need not be in the image, such as libcuda.so.1, which the machine adds."),
}

# What every rule for an image has; see `composed`.
IMAGE_ATTRS = {
    "allow_conflicts": attr.bool(doc = "Whether layers may write one path differently; the upper one then counts."),
    "annotations": attr.metadata_dict(doc = "Annotations of the manifest."),
    "base": attr.label_list(
        providers = _STACK,
        doc = "An image whose layers and configuration are inherited, or layers to stand on.",
    ),
    "compression": attr.string(default = "zstd", values = ["zstd", "gzip"], doc = "How layers are compressed."),
    "compression_level": attr.int(doc = "How hard: 1 to 22 for zstd, 1 to 12 for gzip; 3 and 6 if left out."),
    "created": attr.string(doc = "When the image was made (RFC 3339); the build's SOURCE_DATE_EPOCH if left out."),
    "env": attr.env_dict(doc = "Variables; $NAME refers to a value of the base, $$ is a dollar sign."),
    "env_file": attr.label(allow_files = True, doc = "A file with variables, as `docker run --env-file` reads it; those of `env` count before them. It may be made by a genrule."),
    "format": attr.string(default = "oci", values = ["oci", "docker"], doc = "The format of the manifest. In Docker's format layers are compressed with gzip, and there are no annotations."),
    "health_check": attr.string_list(doc = "A command that tells whether a container is healthy, as a list; [\"CMD-SHELL\", \"line\"] for a shell, [\"NONE\"] to drop the base's. Docker obeys it in both formats, podman in Docker's."),
    "health_check_options": attr.string_dict(doc = "Its interval, timeout, start_period and start_interval (such as 30s), and retries."),
    "labels": attr.metadata_dict(doc = "Labels of the image."),
    "labels_file": attr.label(allow_files = True, doc = "A file with labels, NAME=VALUE in each line; those of `labels` count before them."),
    "max_layers": attr.int(doc = "How many layers the image may have besides those of its base; the lowest are merged into one if there are more. What describes folders for other runtimes may add one."),
    "platform": attr.platform(doc = "What the image is for, such as linux/arm64; the build's platform if left out."),
    "ports": attr.string_list(doc = "Ports that the program listens on: \"8080\" or \"53/udp\"."),
    "squash": attr.bool(doc = "Whether all layers of the image but those of its base are merged into one."),
    "stop_signal": attr.signal(optional = True, doc = "The signal that asks the program to end, such as SIGTERM; an empty string drops the base's."),
    "unset_env": attr.string_list(doc = "Variables of the base to drop; `*` drops all, here as below."),
    "unset_labels": attr.string_list(doc = "Labels of the base to drop."),
    "unset_ports": attr.string_list(doc = "Ports of the base to drop."),
    "unset_volumes": attr.string_list(doc = "Volumes of the base to drop."),
    "user": attr.string(optional = True, doc = "Who runs the program; an empty string drops the base's."),
    "volumes": attr.path_list(doc = "Paths whose content is to be kept outside of the container."),
    "workdir": attr.path(doc = "Where the program starts."),
}

image = rule(
    implementation = _image_impl,
    attrs = IMAGE_ATTRS | CHECK_ATTRS | {
        "check_libraries": attr.bool(doc = "Whether each library that an ELF file of `layers` needs must be in the image: found as the dynamic loader finds it."),
        "cmd": attr.string_list(optional = True, doc = "Arguments of the entry point, or the command where there is none; `[]` drops the base's."),
        "entrypoint": attr.string_list(optional = True, doc = "The program that the image starts; `[]` drops the base's."),
        "layers": attr.label_list(providers = [LayerInfo], doc = "The image's own layers, the lowest first."),
    },
    doc = "An OCI image.",
)

def _images_of(targets):
    found = []
    for target in targets:
        found.extend(target[IndexInfo].images if IndexInfo in target else [target[ImageInfo]])
    return found

def _image_index_impl(ctx):
    if ctx.attr.image and not ctx.attr.platforms:
        fail("needs the platforms to build the image for", attr = "platforms", hint = 'as platforms = ["linux/amd64", "linux/arm64"]')
    if ctx.attr.platforms and not ctx.attr.image:
        fail("are those of an image, which is not given", attr = "platforms", hint = 'say image = ":name", or leave them out')
    return [ctx.actions.index(
        ctx.label.name,
        images = _images_of(ctx.attr.images) + _images_of(ctx.attr.image),
        annotations = ctx.attr.annotations,
    )]

image_index = rule(
    implementation = _image_index_impl,
    attrs = {
        "annotations": attr.metadata_dict(doc = "Annotations of the index."),
        "image": attr.label(
            providers = [ImageInfo],
            each_platform = "platforms",
            doc = "One image that is built for each of `platforms`.",
        ),
        "images": attr.label_list(
            providers = [[ImageInfo], [IndexInfo]],
            doc = "Images, each for another platform, or indexes of such.",
        ),
        "platforms": attr.platform_list(doc = "What to build `image` for, such as linux/amd64 and linux/arm64/v8."),
    },
    doc = "An index of images: one name for an image on several platforms.",
)
