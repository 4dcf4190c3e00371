"""Rules that give files."""

def _filegroup_impl(ctx):
    return [DefaultInfo(files = ctx.files.srcs)]

filegroup = rule(
    implementation = _filegroup_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = True, doc = "Files and targets that give files."),
    },
    doc = "Files under one name.",
)

def _generated_file_impl(ctx):
    return [DefaultInfo(files = [file for file in ctx.files.of if file.path == ctx.attr.path])]

# What a label such as :output.txt means where the target that makes the file has a list of its outputs; nobody calls it.
generated_file = rule(
    implementation = _generated_file_impl,
    attrs = {
        "of": attr.label(mandatory = True, allow_files = True, doc = "The target that makes the file."),
        "path": attr.string(mandatory = True, doc = "The file, as that target calls it."),
    },
    doc = "One file of a target that makes several.",
)

def _alias_impl(ctx):
    return ctx.attr.actual.infos

alias = rule(
    implementation = _alias_impl,
    attrs = {
        "actual": attr.label(mandatory = True, allow_files = True, providers = [[]], doc = "What the name stands for."),
    },
    doc = "Another name for a target or a file.",
)

def _fetch_file_impl(ctx):
    name = ctx.attr.filename or ctx.attr.urls[0].split("?")[0].split("#")[0].split("/")[-1].removeprefix("npm:") or ctx.label.name
    if "/" in name or name in (".", ".."):
        fail("%r is not a file name" % name, attr = "filename")
    file = ctx.actions.fetch(
        name,
        urls = ctx.attr.urls,
        sha256 = ctx.attr.sha256,
        integrity = ctx.attr.integrity,
        size = ctx.attr.size,
        executable = ctx.attr.executable,
    )
    return [DefaultInfo(files = [file])]

fetch_file = rule(
    implementation = _fetch_file_impl,
    attrs = {
        "executable": attr.bool(doc = "Whether the file is a program."),
        "filename": attr.string(doc = "Its name; that of the first address if it is left out."),
        "integrity": attr.string(doc = "In place of sha256: the file's digest as Subresource Integrity, such as sha512-BASE64."),
        "sha256": attr.string(doc = "The file's digest, 64 hexadecimal digits."),
        "size": attr.int(doc = "The file's size in bytes, if it is known."),
        "urls": attr.string_list(mandatory = True, allow_empty = False, doc = "Where the file is, tried in order: URLs, or without the name of a host `apt:PATH` below the Debian mirrors, `pypi:PROJECT/FILENAME` on the package indexes, `npm:NAME@VERSION` on the npm registry of the machine or of hermes.yaml."),
    },
    doc = "A file from the network, known by its digest.",
)

def _write_file_impl(ctx):
    name = ctx.attr.filename or ctx.label.name
    if "/" in name or name in (".", ".."):
        fail("%r is not a file name" % name, attr = "filename")
    return [DefaultInfo(files = [ctx.actions.write(name, ctx.attr.content, executable = ctx.attr.executable)])]

write_file = rule(
    implementation = _write_file_impl,
    attrs = {
        "content": attr.string(mandatory = True, doc = "What is in the file."),
        "executable": attr.bool(doc = "Whether the file is a program."),
        "filename": attr.string(doc = "Its name; that of the target if it is left out."),
    },
    doc = "A file with a text that the BUILD file has.",
)
