"""Programs that are files, as images."""

load(":images.bzl", "CHECK_ATTRS", "IMAGE_ATTRS", "composed")

def _binary_image_impl(ctx):
    files = ctx.files.program
    if len(files) != 1:
        fail("%s gives %d files, and the image starts one" % (ctx.attr.program.label, len(files)), attr = "program")
    path = ctx.attr.path or "/usr/local/bin/" + files[0].basename
    layer = ctx.actions.layer("program", [entry.file(path, files[0], mode = "0755")])
    return [composed(
        ctx,
        [target[LayerInfo] for target in ctx.attr.layers] + [LayerInfo(layers = [layer], base = [])],
        entrypoint = [path],
        cmd = ctx.attr.args,
        env = ctx.attr.env,
        workdir = ctx.attr.workdir or "",
        dropped = [] if ctx.attr.args else ["cmd"],
        program = path,
    )]

binary_image = rule(
    implementation = _binary_image_impl,
    attrs = IMAGE_ATTRS | CHECK_ATTRS | {
        "args": attr.string_list(doc = "Arguments of the program; those of `docker run` take their place."),
        "layers": attr.label_list(providers = [LayerInfo], doc = "More layers, below that of the program."),
        "path": attr.path(doc = "Where the program is in the image; in /usr/local/bin under its own name if left out."),
        "program": attr.label(mandatory = True, allow_files = True, doc = "The program: one file, or a target that gives one. It must be an ELF file for the image's platform, or a script whose interpreter the image has."),
    },
    doc = "A program as an image that starts it, on nothing (scratch) or on a base.",
)
