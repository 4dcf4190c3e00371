"""Small roots: what a program without a distribution needs besides itself."""

load(":debian.bzl", "debian_lock", "fetched_packages")
load(":stack.bzl", "stack_of")

_LARGEST = (1 << 32) - 2
_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-$"
_ARCHITECTURES = attr.string_list(doc = "Debian's names of the architectures to lock; the build's own if left out.")
_SOURCES = attr.string_list(doc = "Where the package comes from, as `sources` of apt_layer.")
_SUITES = attr.string_list(doc = "As `suites` of apt_layer.")

def _id(text, what, attribute):
    if not text.isdigit() or int(text) > _LARGEST:
        fail("%s: expected a number up to %d, got %r" % (what, _LARGEST, text), attr = attribute)
    return int(text)

def _check_name(name, attribute):
    if not name or name[0] in "-.$0123456789" or [one for one in name.elems() if one not in _NAME]:
        fail("%r is not a name for a user or group" % name, attr = attribute, hint = "use letters, digits, . _ and -")

def _user_of(name, text):
    """Returns the row of a user: "UID", "UID:GID", "UID:GID:HOME" or "UID:GID:HOME:SHELL"."""
    _check_name(name, "users")
    fields = text.split(":")
    if len(fields) > 4:
        fail("%s: expected UID:GID:HOME:SHELL, got %r" % (name, text), attr = "users")
    uid = _id(fields[0], name, "users")
    home = fields[2] if len(fields) > 2 else "/home/" + name
    shell = fields[3] if len(fields) > 3 else "/sbin/nologin"
    for path in (home, shell):
        if not path.startswith("/") or "\n" in path:
            fail("%s: expected an absolute path, got %r" % (name, path), attr = "users")
    return [name, uid, _id(fields[1], name, "users") if len(fields) > 1 else uid, home, shell]

def _group_of(name, text):
    """Returns the row of a group: "GID" or "GID:MEMBER,MEMBER"."""
    _check_name(name, "groups")
    gid, _, members = text.partition(":")
    listed = [one for one in members.split(",") if one]
    for one in listed:
        _check_name(one, "groups")
    return [name, _id(gid, name, "groups"), listed]

def _passwd_layer_impl(ctx):
    base = stack_of(ctx.attr.base)
    layer = ctx.actions.accounts(
        ctx.label.name,
        root = base.layers,
        users = [_user_of(name, text) for name, text in ctx.attr.users.items()],
        groups = [_group_of(name, text) for name, text in ctx.attr.groups.items()],
    )
    return [LayerInfo(layers = [layer], base = base.layers)]

passwd_layer = rule(
    implementation = _passwd_layer_impl,
    attrs = {
        "base": attr.label_list(providers = [[LayerInfo], [ImageInfo]], doc = "What the layer stands on: its users and groups stay. Without it there are root and nobody."),
        "groups": attr.string_dict(doc = "Groups: names, and `GID` or `GID:MEMBER,MEMBER`."),
        "users": attr.string_dict(doc = "Users: names, and `UID`, `UID:GID`, `UID:GID:HOME` or `UID:GID:HOME:SHELL`. The group is the user's own, the home /home/NAME and the shell /sbin/nologin if they are left out."),
    },
    doc = "Users and groups (/etc/passwd, /etc/group), and their home folders with mode 0700.",
)

def _cacerts_lock(ctx):
    if not ctx.attr.lock:
        return None
    return debian_lock(ctx, ["ca-certificates"], ctx.attr.architectures, ["debconf", "openssl"], ctx.attr.sources, ctx.attr.suites)

def _cacerts_layer_impl(ctx):
    if not ctx.attr.lock and not ctx.files.certs:
        fail("there are no certificates", attr = "lock", hint = 'give the lock of the package that has those of Mozilla, as lock = "ca.lock.yaml", or your own in certs')
    packages = fetched_packages(ctx, _cacerts_lock(ctx)).files if ctx.attr.lock else []
    content = entry.packages(packages, merged_usr = False, certificates = ctx.files.certs, only = ["/etc/ssl/certs"])
    return [LayerInfo(layers = [ctx.actions.layer(ctx.label.name, [content])], base = [])]

cacerts_layer = rule(
    implementation = _cacerts_layer_impl,
    lock = _cacerts_lock,
    attrs = {
        "architectures": _ARCHITECTURES,
        "certs": attr.label_list(allow_files = True, doc = "More certificates of authorities, files in PEM, such as a company's own."),
        "lock": attr.label(allow_files = True, doc = "The lock file of Debian's package ca-certificates, which `hermes lock` writes; without it there are only `certs`."),
        "sources": _SOURCES,
        "suites": _SUITES,
    },
    doc = "The certificates of the authorities that programs trust, in /etc/ssl/certs/ca-certificates.crt.",
)

def _tzdata_lock(ctx):
    return debian_lock(ctx, ["tzdata"], ctx.attr.architectures, ["debconf"], ctx.attr.sources, ctx.attr.suites)

def _tzdata_layer_impl(ctx):
    packages = fetched_packages(ctx, _tzdata_lock(ctx)).files
    entries = [entry.packages(packages, merged_usr = False, only = ["/usr/share/zoneinfo"])]
    if ctx.attr.timezone:
        if ctx.attr.timezone.startswith("/") or ".." in ctx.attr.timezone.split("/"):
            fail("%r is not the name of a time zone" % ctx.attr.timezone, attr = "timezone", hint = "as Europe/Berlin")
        entries.append(entry.symlink("/etc/localtime", "/usr/share/zoneinfo/" + ctx.attr.timezone))
        entries.append(entry.file("/etc/timezone", ctx.actions.write("timezone", ctx.attr.timezone + "\n")))
    return [LayerInfo(layers = [ctx.actions.layer(ctx.label.name, entries)], base = [])]

tzdata_layer = rule(
    implementation = _tzdata_layer_impl,
    lock = _tzdata_lock,
    attrs = {
        "architectures": _ARCHITECTURES,
        "lock": attr.label(mandatory = True, allow_files = True, doc = "The lock file of Debian's package tzdata, which `hermes lock` writes."),
        "sources": _SOURCES,
        "suites": _SUITES,
        "timezone": attr.string(doc = "The time zone of the image, such as Europe/Berlin; UTC if left out."),
    },
    doc = "The time zones of the world, in /usr/share/zoneinfo.",
)
