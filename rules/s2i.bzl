"""Applications and builder images: Source-to-Image."""

load(":stack.bzl", "stack_of")

def _image_of(target):
    return target[ImageInfo] if target else None

def _s2i_image_impl(ctx):
    layers = stack_of(ctx.attr.layers).layers if ctx.attr.layers else []
    return [ctx.actions.s2i(
        ctx.label.name,
        assemble_runtime_user = ctx.attr.assemble_runtime_user,
        assemble_user = ctx.attr.assemble_user,
        builder = ctx.attr.builder[ImageInfo],
        description = ctx.attr.description,
        destination = ctx.attr.destination or "",
        display_name = ctx.attr.display_name,
        env = ctx.attr.env,
        incremental = _image_of(ctx.attr.incremental),
        inject = ctx.attr.inject,
        labels = ctx.attr.labels,
        layers = layers,
        network = ctx.attr.network,
        runtime_artifacts = ctx.attr.runtime_artifacts,
        runtime_image = _image_of(ctx.attr.runtime_image),
        scripts = ctx.files.scripts,
        srcs = ctx.files.srcs,
        strip_prefix = ctx.attr.strip_prefix,
    )]

s2i_image = rule(
    implementation = _s2i_image_impl,
    attrs = {
        "assemble_runtime_user": attr.string(doc = "Who runs assemble-runtime; as the runtime image says if left out."),
        "assemble_user": attr.string(doc = "Who runs assemble; as the builder says if left out."),
        "builder": attr.label(mandatory = True, providers = [ImageInfo], doc = "The image that the application is built and run with."),
        "description": attr.string(doc = "The label io.k8s.description."),
        "destination": attr.path(doc = "Where source, scripts and artifacts are put; as the builder says if left out."),
        "display_name": attr.string(doc = "The label io.k8s.display-name."),
        "env": attr.string_dict(doc = "Variables of assemble and of the image, before those of .s2i/environment in srcs."),
        "incremental": attr.label(providers = [ImageInfo], doc = "An image built before, such as an image_pull of the last release: what its save-artifacts prints is used again."),
        "inject": attr.path_label_dict(allow_files = True, doc = "Folders of the builder, and the files that assemble sees there and the image does not get."),
        "labels": attr.metadata_dict(doc = "Labels of the image."),
        "layers": attr.label_list(providers = [LayerInfo], doc = "Layers on the builder before assemble runs, such as locked packages (py_layers), so that it needs no network."),
        "network": attr.bool(doc = "Whether the scripts may use the network. The image is then not reproducible by itself."),
        "platform": attr.platform(doc = "What the image is for, such as linux/arm64; the build's platform if left out."),
        "runtime_artifacts": attr.string_list(doc = "Files and folders of the builder that go into the runtime image, as /path[:folder]; as its label says if left out."),
        "runtime_image": attr.label(providers = [ImageInfo], doc = "The image that the result is built on instead of the builder."),
        "scripts": attr.label_list(allow_files = True, doc = "Scripts that count before those of the source and of the images, by their names."),
        "srcs": attr.label_list(allow_files = True, doc = "The application, by paths in packages. .s2iignore and .s2i/environment in it count."),
        "strip_prefix": attr.string(doc = "A folder to take off the front of the paths of srcs."),
    },
    doc = "The image of an application that a Source-to-Image builder makes, each step an action of its own.",
)
