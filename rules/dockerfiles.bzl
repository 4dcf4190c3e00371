"""Images that a Dockerfile describes."""

def _dockerfile_image_impl(ctx):
    return [ctx.actions.dockerfile(
        ctx.label.name,
        dockerfile = ctx.file.dockerfile,
        context = ctx.files.context,
        contexts = ctx.attr.contexts,
        strip_prefix = ctx.attr.strip_prefix,
        build_args = ctx.attr.build_args,
        target = ctx.attr.target,
        secrets = ctx.attr.secrets,
        network = not ctx.attr.hermetic,
        labels = ctx.attr.labels,
        annotations = ctx.attr.annotations,
        squash = ctx.attr.squash,
        format = ctx.attr.format,
    )]

dockerfile_image = rule(
    implementation = _dockerfile_image_impl,
    attrs = {
        "annotations": attr.metadata_dict(doc = "Annotations of the manifest."),
        "build_args": attr.string_dict(doc = "Values of ARG instructions."),
        "context": attr.label_list(
            allow_files = True,
            doc = "The files that COPY and ADD may take, by their paths in their packages. No ignore file is read.",
        ),
        "contexts": attr.label_dict(
            allow_files = True,
            providers = [[ImageInfo], [LayerInfo]],
            doc = "What FROM and --from name besides stages: an image, layers or files for each name.",
        ),
        "dockerfile": attr.label(mandatory = True, allow_files = True, doc = "The Dockerfile."),
        "format": attr.string(
            default = "oci",
            values = ["oci", "docker"],
            doc = "The format of the image's documents; Docker's has gzip layers.",
        ),
        "hermetic": attr.bool(doc = "Whether RUN is without the network, as in other rules, and ADD downloads only what has a checksum or commit. A Dockerfile usually expects the network."),
        "labels": attr.metadata_dict(doc = "Labels of the image, besides those of LABEL."),
        "platform": attr.platform(doc = "What the image is for, such as linux/arm64; the build's platform if left out."),
        "secrets": attr.string_list(doc = "Names of the secrets that RUN --mount=type=secret may ask for."),
        "squash": attr.bool(doc = "Whether all layers become one."),
        "strip_prefix": attr.string(doc = "A folder to take off the front of the paths of the context."),
        "target": attr.string(doc = "The stage to build, by its name or number; the last if left out."),
    },
    doc = "The image that a Dockerfile and the files of its context give.",
)
