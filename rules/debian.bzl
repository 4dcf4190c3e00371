"""Debian packages as layers."""

_CONFIGURE = """\
set -e
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
for name in passwd group; do
    if [ ! -e /etc/$name ] && [ -e /usr/share/base-passwd/$name.master ]; then
        cp /usr/share/base-passwd/$name.master /etc/$name
    fi
done
for script in /var/lib/dpkg/info/*.preinst; do
    [ -e "$script" ] || continue
    package=${script##*/}
    package=${package%.preinst}
    DPKG_MAINTSCRIPT_PACKAGE=${package%%:*} DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_ARCH=$ARCHITECTURE \\
        DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_ROOT= "$script" install
done
dpkg --configure -a --force-depends
rm -f /usr/sbin/policy-rc.d
rm -rf /var/log/* /var/cache/ldconfig/aux-cache /var/cache/debconf/*-old /var/lib/dpkg/*-old
"""

def _check_asked(ctx, now, lock):
    """Fails where the target asks for something else than when its lock was made; a lock need not say what that was."""
    asked = lock.get("asked")
    if type(asked) != "dict" or not (now.packages or now.essential):
        return
    for name in ("packages", "exclude", "suites"):
        fields = {one: True for one in getattr(now, name)}
        known = {one: True for one in asked.get(name, [])}
        more, less = [one for one in fields if one not in known], [one for one in known if one not in fields]
        if more or less:
            fail(
                "%s is stale: %s" % (ctx.file.lock.path, " and ".join(
                    (["%s is new in %s" % (", ".join(more), name)] if more else []) +
                    (["%s is no longer in %s" % (", ".join(less), name)] if less else []),
                )),
                attr = name,
                hint = "run `hermes lock %s`, and commit what it writes" % ctx.label,
            )
    if now.essential != asked.get("essential") or now.recommends != asked.get("recommends"):
        fail(
            "%s is stale: it was made with other values of essential, configure or recommends" % ctx.file.lock.path,
            attr = "lock",
            hint = "run `hermes lock %s`, and commit what it writes" % ctx.label,
        )

def _entries_of(ctx, lock):
    """Returns the packages of a lock that are for the platform of the build."""
    if type(lock) != "dict" or lock.get("version") != 1 or type(lock.get("packages")) != "list":
        fail(
            "%s is not a lock file of Debian packages" % ctx.file.lock.path,
            attr = "lock",
            hint = "make it again with `hermes lock %s`" % ctx.label,
        )
    architecture = ctx.platform.debian
    if architecture not in lock.get("architectures", []):
        fail(
            "%s has no packages for %s" % (ctx.file.lock.path, architecture),
            attr = "lock",
            hint = "add %r to architectures and run `hermes lock %s`" % (architecture, ctx.label),
        )
    return [
        one
        for one in lock["packages"]
        if one["architecture"] in (architecture, "all") and architecture in one.get("for", [architecture])
    ]

def _mirror_of(line):
    """Returns the address of a line of sources.list."""
    words = line.split("#")[0].split()
    for number, word in enumerate(words):
        if number > 0 and "://" in word and not word.startswith("[") and not word.endswith("]"):
            return word.rstrip("/")
    return None

def fetched_packages(ctx, asked):
    """Fetches the packages of the lock of a rule that has the attributes `lock` and, if it takes any, `sources`.

    Args:
      ctx: that of the rule.
      asked: what its function `lock` returns, see `debian_lock`; a lock that was made for something else is refused.

    Returns:
      a struct with `files`, a list, and `names`, those of the packages.
    """
    lock = ctx.read_yaml(ctx.file.lock)
    entries = _entries_of(ctx, lock)
    _check_asked(ctx, asked, lock)
    mirrors = [mirror for mirror in [_mirror_of(line) for line in asked.sources] if mirror]
    debs = []
    for one in entries:
        for field in ("name", "path", "sha256", "size"):
            if field not in one:
                fail("%s: a package has no %s" % (ctx.file.lock.path, field), attr = "lock")
        debs.append(ctx.actions.fetch(
            one["path"].split("/")[-1],
            urls = [mirror + "/" + one["path"] for mirror in mirrors] + ["apt:" + one["path"]],
            sha256 = one["sha256"],
            size = one["size"],
        ))
    return struct(files = debs, names = [one["name"] for one in entries])

def debian_lock(ctx, packages, architectures = [], exclude = [], sources = [], suites = [], essential = False, recommends = False):
    """Says what `hermes lock` is to resolve for a rule with the attribute `lock`.

    Args:
      ctx: that of the function `lock` of the rule.
      packages: names of packages, as `packages` of apt_layer.
      architectures: Debian's names of architectures; the build's own without any.
      exclude: packages that are not locked.
      sources: where packages come from, as lines of sources.list.
      suites: those suites of the sources that count; all without any.
      essential: whether all essential packages are locked.
      recommends: whether recommended packages are.

    Returns:
      a struct, which the function `lock` of the rule returns.
    """
    return struct(
        kind = "debian",
        file = ctx.attr.lock,
        packages = packages,
        architectures = architectures or [ctx.platform.debian],
        recommends = recommends,
        essential = essential,
        exclude = exclude,
        sources = sources,
        suites = suites,
    )

def _apt_layer_impl(ctx):
    packages = fetched_packages(ctx, _apt_lock(ctx))
    database = "dpkg" if ctx.attr.configure else "status.d"
    content = entry.packages(
        packages.files,
        database = database,
        merged_usr = ctx.attr.merged_usr,
        certificates = [] if "ca-certificates" in packages.names and not ctx.attr.configure else None,
    )
    layers = [ctx.actions.layer(ctx.label.name, [content])]
    if ctx.attr.configure:
        made = ctx.actions.run(
            "configure",
            root = layers,
            argv = ["/bin/sh", "-c", _CONFIGURE],
            env = {"ARCHITECTURE": ctx.platform.debian},
        )
        layers.append(made.layer)
    return [LayerInfo(layers = layers, base = [])]

def _apt_lock(ctx):
    return debian_lock(
        ctx,
        ctx.attr.packages,
        architectures = ctx.attr.architectures,
        recommends = ctx.attr.recommends,
        essential = ctx.attr.essential or ctx.attr.configure,
        exclude = ctx.attr.exclude,
        sources = ctx.attr.sources,
        suites = ctx.attr.suites,
    )

apt_layer = rule(
    implementation = _apt_layer_impl,
    lock = _apt_lock,
    attrs = {
        "architectures": attr.string_list(doc = "Debian's names of the architectures to lock; the build's own if left out."),
        "configure": attr.bool(doc = "Whether the packages' own scripts configure them, in the sandbox, with dpkg."),
        "essential": attr.bool(doc = "Whether to lock all packages that Debian calls essential."),
        "exclude": attr.string_list(doc = "Packages that are not locked, and that others may take as present."),
        "lock": attr.label(mandatory = True, allow_files = True, doc = "The lock file, which `hermes lock` writes."),
        "merged_usr": attr.bool(default = True, doc = "Whether /bin, /lib and /sbin are links into /usr."),
        "packages": attr.string_list(doc = "What `hermes lock` resolves: names, name=version, or name=pattern as in perl=5.36*."),
        "recommends": attr.bool(doc = "Whether to lock recommended packages too."),
        "sources": attr.string_list(doc = "Where the packages come from, as lines of sources.list; those of hermes.yaml or of this machine's apt if left out. The lock has no address."),
        "suites": attr.string_list(doc = "Those suites of the sources that `hermes lock` takes packages from; all if left out."),
    },
    doc = "Debian packages and what they depend on, as locked, in a layer.",
)
