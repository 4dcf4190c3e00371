"""Debian packages as files, for a tool of the machine to unpack."""

def _apt_debs_impl(ctx):
    lock = ctx.read_yaml(ctx.file.lock)
    return [DefaultInfo(files = [
        ctx.actions.fetch(
            one["path"].split("/")[-1],
            urls = ["apt:" + one["path"]],
            sha256 = one["sha256"],
            size = one["size"],
        )
        for one in lock["packages"]
        if one["architecture"] in (ctx.platform.debian, "all")
    ])]

def _apt_debs_lock(ctx):
    return struct(
        kind = "debian",
        file = ctx.attr.lock,
        packages = ctx.attr.packages,
        architectures = ctx.attr.architectures,
        recommends = False,
        essential = False,
        exclude = [],
    )

apt_debs = rule(
    implementation = _apt_debs_impl,
    lock = _apt_debs_lock,
    attrs = {
        "architectures": attr.string_list(mandatory = True, doc = "Debian's names of the architectures to lock."),
        "lock": attr.label(mandatory = True, allow_files = True, doc = "The lock file, which `hermes lock` writes."),
        "packages": attr.string_list(mandatory = True, doc = "What `hermes lock` resolves."),
    },
    doc = "Debian packages and what they depend on, as locked.",
)
