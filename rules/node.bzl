"""npm packages as layers, and programs for Node.js as images."""

load(":grouping.bzl", "grouped")
load(":images.bzl", "CHECK_ATTRS", "IMAGE_ATTRS", "composed")
load(":stack.bzl", "stack_of")

NodeInfo = provider(fields = ["dest", "interpreter"])

_STACK = [[LayerInfo], [ImageInfo]]

_SCRIPTS = """\
const { spawnSync } = require("child_process");
const { existsSync, readFileSync } = require("fs");
const path = require("path");
const [root, ...locations] = process.argv.slice(1);
const packages = locations.map((location) => {
  const folder = path.join(root, location);
  const about = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
  const scripts = Object.assign({}, about.scripts);
  if (about.gypfile !== false && !scripts.install && !scripts.preinstall && existsSync(path.join(folder, "binding.gyp")))
    scripts.install = "node-gyp rebuild";
  return { folder, about, scripts };
});
for (const event of ["preinstall", "install", "postinstall"]) {
  for (const { folder, about, scripts } of packages) {
    if (!scripts[event]) continue;
    const bins = [];
    for (let at = folder; ; at = path.dirname(at)) {
      if (path.basename(at) !== "node_modules") bins.push(path.join(at, "node_modules", ".bin"));
      if (at === path.dirname(at)) break;
    }
    const env = Object.assign({}, process.env, {
      INIT_CWD: root,
      NODE: process.execPath,
      PATH: [...bins, process.env.PATH].join(":"),
      npm_command: "ci",
      npm_lifecycle_event: event,
      npm_lifecycle_script: scripts[event],
      npm_node_execpath: process.execPath,
      npm_package_json: path.join(folder, "package.json"),
      npm_package_name: about.name,
      npm_package_version: about.version,
    });
    const made = spawnSync("sh", ["-c", scripts[event]], { cwd: folder, env, stdio: "inherit" });
    if (made.status !== 0) {
      const why = made.error ? (made.error.code === "ENOENT" ? "the base has no sh" : made.error.message) : made.signal || `exit status ${made.status}`;
      console.error(`${about.name}: its ${event} script failed: ${why}`);
      process.exit(1);
    }
  }
}
"""

def _fetched(ctx, package, own):
    """Returns the archive of a package, as a lock knows it."""
    if package.file:
        if package.file not in own:
            fail(
                "%s is the file %s, which is not among archives" % (package.name, package.file),
                attr = "archives",
                hint = "say archives = [...] with the .tgz files of the workspace that the lock names",
            )
        return own[package.file]
    return ctx.actions.fetch(
        package.location.replace("node_modules/", "").replace("/", "+") + ".tgz",
        urls = ["npm:" + package.address],
        integrity = package.integrity,
    )

def _top(location):
    """Returns the package at the top that a location is in: what is below it goes where it goes."""
    below = location[location.find("node_modules/") + len("node_modules/"):]
    names = below.split("/")
    return "/".join(names[:2 if names[0].startswith("@") else 1])

def _with_scripts(ctx, packages, layers):
    """Returns the layer of what install scripts change, in the sandbox, by the interpreter of the base."""
    if not ctx.attr.base:
        fail("scripts need the interpreter of a base", attr = "scripts", hint = "give the layers or the image that Node.js is in, as base")
    every = "*" in ctx.attr.scripts
    for name in ctx.attr.scripts:
        if name != "*" and name not in [one.name for one in packages]:
            fail("scripts: %s is not installed" % name, attr = "scripts")
    chosen = [one for one in packages if (every and one.scripts) or one.name in ctx.attr.scripts]
    if not chosen:
        return []
    base = stack_of(ctx.attr.base)
    tools = [layer for target in ctx.attr.build_deps for layer in target[LayerInfo].layers if layer not in base.layers]
    ordered = sorted(chosen, key = lambda one: (-one.location.count("node_modules/"), one.location))
    made = ctx.actions.run(
        "scripts",
        root = base.layers + tools + layers,
        environment = base.environment,
        argv = [ctx.attr.interpreter, "-e", _SCRIPTS, ctx.attr.dest] + [one.location for one in ordered],
        cwd = ctx.attr.dest,
        user = "0:0",
    )
    return [made.layer]

def _npm_layers_impl(ctx):
    dest = ctx.attr.dest.rstrip("/")
    found = ctx.read_npm_lock(
        ctx.file.lock,
        node = ctx.attr.node,
        libc = ctx.attr.libc,
        omit = ctx.attr.omit,
        exclude = ctx.attr.exclude,
        allow_sha1 = ctx.attr.allow_sha1,
        legacy_peer_deps = ctx.attr.legacy_peer_deps,
        manifests = ctx.files.package_json,
    )
    own = {"%s/%s" % (file.owner.package, file.path) if file.owner.package else file.path: file for file in ctx.files.archives}
    packages = found.archives
    tops = {}
    for one in packages:
        tops.setdefault(_top(one.location), []).append(one)
    for name in ctx.attr.large:
        if name not in tops:
            fail("large: %s is not among the packages that are installed" % name, attr = "large")
    parts = grouped(list(tops), ctx.attr.large, ctx.attr.max_layers)
    layers = []
    for part in sorted(parts):
        chosen = [one for top in parts[part] for one in tops[top]]
        layers.append(ctx.actions.layer(part, [entry.node_packages(
            [_fetched(ctx, one, own) for one in chosen],
            locations = ["%s/%s" % (dest, one.location) for one in chosen],
            bins = [{"%s/%s" % (dest, link): "%s/%s" % (dest, file) for link, file in one.bins.items()} for one in chosen],
        )]))
    entries = [entry.symlink("%s/%s" % (dest, one.location), one.target) for one in found.links]
    if packages or found.links:
        entries.append(entry.file(dest + "/node_modules/.package-lock.json", ctx.actions.write("package-lock.json", found.note)))
    layers.append(ctx.actions.layer("links", entries))
    if ctx.attr.scripts:
        layers += _with_scripts(ctx, packages, layers)
    return [LayerInfo(layers = layers, base = []), NodeInfo(dest = dest, interpreter = ctx.attr.interpreter)]

def _npm_layers_lock(ctx):
    if not ctx.attr.package_json:
        return None
    return struct(
        kind = "node",
        file = ctx.attr.lock,
        files = ctx.attr.package_json + ctx.attr.archives,
        legacy_peer_deps = ctx.attr.legacy_peer_deps,
    )

npm_layers = rule(
    implementation = _npm_layers_impl,
    lock = _npm_layers_lock,
    attrs = {
        "allow_sha1": attr.bool(doc = "Whether packages may be known by a sha1 alone, as in locks that npm made long ago."),
        "archives": attr.label_list(allow_files = True, doc = "Archives in the workspace that the lock names, as file:NAME.tgz."),
        "base": attr.label_list(providers = _STACK, doc = "The image or layers that Node.js is in; `scripts` run there."),
        "build_deps": attr.label_list(providers = [LayerInfo], doc = "What `scripts` need and the image does not: a compiler, node-gyp."),
        "dest": attr.path(default = "/app", doc = "The folder of the project: packages go to node_modules in it."),
        "exclude": attr.string_list(doc = "Packages of the lock that are left out, with what is below them."),
        "interpreter": attr.path(default = "/usr/bin/node", doc = "Where Node.js is in the base, as Debian has it. In the images called node it is /usr/local/bin/node."),
        "large": attr.string_list(doc = "Packages that get a layer of their own; a lock has no sizes."),
        "legacy_peer_deps": attr.bool(doc = "Whether peer dependencies mean nothing, as legacy-peer-deps in the .npmrc of the project says."),
        "libc": attr.string(default = "glibc", doc = "The C library of the base: glibc or musl."),
        "lock": attr.label(mandatory = True, allow_files = True, doc = "What is installed: a package-lock.json or npm-shrinkwrap.json, version 2 or 3."),
        "max_layers": attr.int(default = 20, doc = "How many layers there may be. Packages that are not `large` share four, by their names."),
        "node": attr.string(mandatory = True, doc = "The version of Node.js in the base, as 20 or 20.11.1: optional packages that do not suit it are left out."),
        "omit": attr.string_list(doc = "Kinds of dependencies that are left out: dev, optional, peer."),
        "package_json": attr.label_list(allow_files = True, doc = "The package.json that the lock was made of, and those of workspaces. A lock that does not satisfy them is refused."),
        "scripts": attr.string_list(doc = "Packages whose install scripts are run, in the sandbox and without a network; * for all that have some."),
    },
    doc = "npm packages as locked, in node_modules as `npm ci --ignore-scripts` leaves it, in layers. No npm runs, and none is needed.",
)

def _chosen(ctx):
    """Returns the one NodeInfo of all deps; without any, that of the base's own interpreter."""
    found = [target[NodeInfo] for target in ctx.attr.deps]
    for one in found[1:]:
        if one.interpreter != found[0].interpreter:
            fail("%s and %s are for different interpreters" % (ctx.attr.deps[0].label, ctx.attr.deps[found.index(one)].label), attr = "deps")
    return found[0] if found else NodeInfo(dest = ctx.attr.dest, interpreter = "/usr/bin/node")

def _entrypoint(ctx, info):
    given = [name for name in ("main", "script") if getattr(ctx.attr, name)]
    if len(given) != 1:
        fail(
            "expected one of main and script, got %s" % (" and ".join(given) or "none"),
            attr = given[1] if given else "main",
            hint = 'say what the image starts, as main = "server.js" or script = "next"',
        )
    interpreter = ctx.attr.interpreter or info.interpreter
    if ctx.attr.script:
        if not ctx.attr.deps or "/" in ctx.attr.script:
            fail("script is the name of a program that a package of deps has", attr = "script")
        return [interpreter, "%s/node_modules/.bin/%s" % (info.dest, ctx.attr.script)]
    if ctx.attr.main not in [file.path for file in ctx.files.srcs]:
        fail("main: %s is not among srcs" % ctx.attr.main, attr = "main")
    prefix = ctx.attr.strip_prefix.strip("/")
    below = ctx.attr.main[len(prefix) + 1:] if prefix else ctx.attr.main
    return [interpreter, "%s/%s" % (ctx.attr.dest.rstrip("/"), below)]

def _node_image_impl(ctx):
    info = _chosen(ctx)
    entrypoint = _entrypoint(ctx, info)
    infos = [target[LayerInfo] for target in ctx.attr.deps + ctx.attr.layers]
    if ctx.files.srcs:
        layer = ctx.actions.layer("srcs", [entry.files(ctx.files.srcs, dest = ctx.attr.dest, strip_prefix = ctx.attr.strip_prefix)])
        infos.append(LayerInfo(layers = [layer], base = []))
    return [composed(
        ctx,
        infos,
        entrypoint = entrypoint,
        cmd = ctx.attr.args,
        env = {"NODE_ENV": "production"} | ctx.attr.env,
        workdir = ctx.attr.workdir or ctx.attr.dest,
        dropped = [] if ctx.attr.args else ["cmd"],
        program = "" if stack_of(ctx.attr.base).image else entrypoint[0],
        programs = [layer for target in ctx.attr.deps for layer in target[LayerInfo].layers],
    )]

node_image = rule(
    implementation = _node_image_impl,
    attrs = IMAGE_ATTRS | CHECK_ATTRS | {
        "args": attr.string_list(doc = "Arguments of the program; those of `docker run` take their place."),
        "base": attr.label_list(mandatory = True, allow_empty = False, providers = _STACK, doc = "The image or layers that Node.js is in."),
        "deps": attr.label_list(providers = [LayerInfo, NodeInfo], doc = "The packages that the program needs: npm_layers."),
        "dest": attr.path(default = "/app", doc = "The folder that srcs go to, and where the program starts if workdir says nothing else: that of deps, so that node_modules is found."),
        "interpreter": attr.path(doc = "Where Node.js is; as deps say, or /usr/bin/node if left out."),
        "layers": attr.label_list(providers = [LayerInfo], doc = "More layers, below that of srcs."),
        "main": attr.string(doc = "The file of srcs that the image starts, by its path in its package."),
        "script": attr.string(doc = "The program of a package of deps that the image starts, by its name in node_modules/.bin."),
        "srcs": attr.label_list(allow_files = True, doc = "First-party code, in a layer of its own on top, by paths in packages."),
        "strip_prefix": attr.string(doc = "A folder to take off the front of the paths of srcs."),
    },
    doc = "A program for Node.js as an image: the packages that it needs, its own code, and what starts it. NODE_ENV is production unless env says otherwise.",
)
