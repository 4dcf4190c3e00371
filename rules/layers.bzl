"""Rules that make layers out of files."""

load(":stack.bzl", "stack_of")

def _files_layer_impl(ctx):
    entries = []
    if ctx.files.srcs:
        entries.append(entry.files(
            ctx.files.srcs,
            dest = ctx.attr.dest,
            strip_prefix = ctx.attr.strip_prefix,
            mode = ctx.attr.mode,
            modes = {pattern: mode for pattern, mode in ctx.attr.modes.items() if pattern not in ctx.attr.files},
            owner = ctx.attr.owner,
        ))
    elif [pattern for pattern in ctx.attr.modes if pattern not in ctx.attr.files]:
        fail("modes says how srcs are to be, and there are none", attr = "modes")
    for path, target in ctx.attr.files.items():
        if len(target.files) != 1:
            fail(
                "%s gives %d files for the one path %s" % (target.label, len(target.files), path),
                attr = "files",
                hint = "put several files into srcs, with dest",
            )
        mode = ctx.attr.modes.get(path, ctx.attr.mode)
        entries.append(entry.file(path, target.files[0], mode = mode, owner = ctx.attr.owner))
    for path in ctx.attr.dirs:
        entries.append(entry.directory(path, owner = ctx.attr.owner))
    for path, mode in ctx.attr.dir_modes.items():
        if not path.startswith("/"):
            fail("dir_modes has the path %r, which is not absolute" % path, attr = "dir_modes", hint = 'write "/%s"' % path)
        entries.append(entry.directory(path, mode = mode, owner = ctx.attr.owner))
    for path, target in ctx.attr.symlinks.items():
        entries.append(entry.symlink(path, target, owner = ctx.attr.owner))
    return [LayerInfo(layers = [ctx.actions.layer(ctx.label.name, entries)], base = [])]

files_layer = rule(
    implementation = _files_layer_impl,
    attrs = {
        "dest": attr.path(default = "/", doc = "The folder of the image that srcs go to."),
        "dir_modes": attr.mode_dict(doc = "Directories to make with other modes."),
        "dirs": attr.path_list(doc = "Directories to make, with mode 0755."),
        "files": attr.path_label_dict(allow_files = True, doc = "Paths in the image, and the file at each."),
        "mode": attr.mode(doc = "The mode of all files; otherwise 0755 for programs and 0644 for others."),
        "modes": attr.mode_dict(doc = "Modes of those srcs that match a pattern (the last match counts), and of files by their paths in the image."),
        "owner": attr.owner(doc = "Numeric user and group of everything in the layer."),
        "srcs": attr.label_list(allow_files = True, doc = "Files, put below dest by their paths in their packages."),
        "strip_prefix": attr.string(doc = "A folder to take off the front of the paths of srcs."),
        "symlinks": attr.path_dict(doc = "Symbolic links to make: paths in the image, and their targets."),
    },
    doc = "A layer of files.",
)

def _tar_layer_impl(ctx):
    if len(ctx.files.src) != 1:
        fail("%s gives %d files, not one archive" % (ctx.attr.src.label, len(ctx.files.src)), attr = "src")
    entries = [entry.tar(ctx.files.src[0], dest = ctx.attr.dest)]
    return [LayerInfo(layers = [ctx.actions.layer(ctx.label.name, entries)], base = [])]

tar_layer = rule(
    implementation = _tar_layer_impl,
    attrs = {
        "dest": attr.path(default = "/", doc = "The folder of the image that the archive is unpacked to."),
        "src": attr.label(mandatory = True, allow_files = True, doc = "A tar archive: plain, gzip, bzip2, xz or zstd."),
    },
    doc = "The content of a tar archive as a layer.",
)

def _copy_layer_impl(ctx):
    if not ctx.attr.dest.startswith("/"):
        fail("dest must be an absolute path, not %r" % ctx.attr.dest, attr = "dest")
    if "" in ctx.attr.paths:
        fail("paths has an empty path", attr = "paths", hint = 'write "/" for all that is there')
    base = stack_of(ctx.attr.base)
    layer = ctx.actions.copy(
        ctx.label.name,
        root = stack_of(ctx.attr.root).layers,
        paths = ctx.attr.paths,
        dest = ctx.attr.dest,
        base = base.layers,
        exclude = ctx.attr.exclude,
        parents = ctx.attr.parents,
        owner = ctx.attr.owner,
        mode = ctx.attr.mode,
    )
    return [LayerInfo(layers = [layer], base = base.layers)]

copy_layer = rule(
    implementation = _copy_layer_impl,
    attrs = {
        "base": attr.label_list(
            providers = [[LayerInfo], [ImageInfo]],
            doc = "What the layer stands on: its links and folders decide where dest is, and its users what owner means.",
        ),
        "dest": attr.string(mandatory = True, doc = "Where to. With a slash at its end it is a folder to copy into."),
        "exclude": attr.string_list(doc = "Patterns of what is left out."),
        "mode": attr.mode(doc = "The mode of everything copied; their own if left out."),
        "owner": attr.string(doc = "User and group of everything copied, as numbers or names of base; their own if left out."),
        "parents": attr.bool(doc = "Whether the folders above what is copied are kept, below dest."),
        "paths": attr.string_list(mandatory = True, allow_empty = False, doc = "What is copied: paths in root, and patterns."),
        "root": attr.label_list(
            mandatory = True,
            allow_empty = False,
            providers = [[LayerInfo], [ImageInfo]],
            doc = "The image or layers that files are taken from.",
        ),
    },
    doc = "Some files of an image or of layers. Nothing else that is in those counts: if they change and the files do not, nothing after them is built again.",
)
