"""Python packages as layers, and programs in Python as images."""

load(":grouping.bzl", "grouped")
load(":images.bzl", "CHECK_ATTRS", "IMAGE_ATTRS", "composed")
load(":stack.bzl", "stack_of")

PyInfo = provider(fields = ["interpreter", "prefix", "python"])

_STACK = [[LayerInfo], [ImageInfo]]
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_COMPILE = """\
import compileall, py_compile, sys
wanted, folder = sys.argv[1:]
found = "%d.%d" % sys.version_info[:2]
if found != wanted:
    sys.exit("%s is Python %s, and the layer is for Python %s" % (sys.executable, found, wanted))
compileall.compile_dir(folder, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
"""

_BUILD = """\
import importlib, os, shutil, sys, tarfile, tempfile
source, built = sys.argv[1:]
here = os.getcwd()
made = tempfile.mkdtemp()
if os.path.isdir(source):
    shutil.copytree(source, os.path.join(made, "source"), symlinks=True)
else:
    with tarfile.open(source) as archive:
        archive.extractall(made, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
os.chdir(os.path.join(made, *os.listdir(made)))
system = {}
if os.path.exists("pyproject.toml"):
    try:
        import tomllib
    except ImportError:
        import tomli as tomllib
    with open("pyproject.toml", "rb") as file:
        system = tomllib.load(file).get("build-system", {})
sys.path[:0] = [os.path.abspath(path) for path in system.get("backend-path", [])] or [os.getcwd()]
module, _, attribute = system.get("build-backend", "setuptools.build_meta:__legacy__").partition(":")
backend = importlib.import_module(module)
for part in filter(None, attribute.split(".")):
    backend = getattr(backend, part)
wheels = tempfile.mkdtemp()
shutil.move(os.path.join(wheels, backend.build_wheel(wheels)), os.path.join(here, built))
"""

def _short(python):
    """Returns the version as folders have it: 3.12 of 3.12.4."""
    return ".".join(python.split(".")[:2])

def _compiled(ctx, name, layer, folder, info):
    """Returns a layer with what is compiled of it, by the interpreter of the base."""
    if not ctx.attr.base:
        fail("compile needs the interpreter of a base", attr = "compile", hint = "give the layers or the image that Python is in, as base")
    base = stack_of(ctx.attr.base)
    made = ctx.actions.run(
        name + ".pyc",
        root = base.layers + [layer],
        environment = base.environment,
        cwd = "/",
        argv = [info.interpreter, "-B", "-s", "-c", _COMPILE, info.python, folder],
        env = {"PYTHONHASHSEED": "0"},
        user = "0:0",
    )
    return ctx.actions.squash(name + ".compiled", [layer, made.layer])

def _environment_entries(ctx, info):
    """Returns what makes a folder a virtual environment: its settings, and the interpreter that it stands for."""
    settings = ctx.actions.write("pyvenv.cfg", "home = %s\ninclude-system-site-packages = false\nversion = %s\n" % (
        info.interpreter[:info.interpreter.rfind("/")] or "/",
        ctx.attr.python,
    ))
    found = [entry.file(info.prefix + "/pyvenv.cfg", settings)]
    found.append(entry.symlink(info.prefix + "/bin/python", info.interpreter))
    for name in ("python3", "python" + info.python):
        found.append(entry.symlink(info.prefix + "/bin/" + name, "python"))
    return found

def _own(ctx, pin):
    """Returns the files of a first-party package, and where its folder is of those, in the sandbox."""
    found = {}
    for file in ctx.files.sources:
        package = file.owner.package
        path = "%s/%s" % (package, file.path) if package else file.path
        if pin.directory == "." or path.startswith(pin.directory + "/"):
            found.setdefault(package, []).append(file)
    if len(found) != 1:
        packages = " and ".join(["//" + one for one in found])
        fail(
            "%s is the folder %s, of which %s" % (pin.name, pin.directory, packages + " have files" if found else "no file is among sources"),
            attr = "sources",
            hint = "give all files of the folder from one package, as glob() or a filegroup",
        )
    package = list(found)[0]
    if pin.directory == package:
        return found[package], "."
    below = "" if pin.directory == "." else pin.directory
    if package and not below.startswith(package + "/"):
        fail("%s is the folder %s, and //%s is a package in it" % (pin.name, pin.directory, package), attr = "sources", hint = "let a package at or above the folder have its files")
    return found[package], (below[len(package) + 1:] if package else below) or "."

def _source_tree(ctx, pin):
    """Returns the arguments of run() by which a source tree is there, and where."""
    if pin.commit:
        commit = ctx.actions.git(pin.name + ".commit", pin.git, pin.commit, folder = pin.directory)
        return {"trees": {"/run/source": ctx.actions.copy(pin.name + ".source", root = [commit], paths = ["/"], dest = "/content/")}}, "/run/source"
    files, where = _own(ctx, pin)
    return {"inputs": {"/run/source": files}}, "/run/source/" + where

def _built(ctx, pin, source, info):
    """Returns the wheel that the base's interpreter builds of a source distribution or tree, in the sandbox (PEP 517)."""
    given, where = ({"inputs": {".": [source]}}, pin.filename) if source else _source_tree(ctx, pin)
    if not ctx.attr.base:
        fail("allow_sdist needs the interpreter of a base", attr = "allow_sdist", hint = "give the layers or the image that Python is in, as base")
    base = stack_of(ctx.attr.base)
    tools = [layer for target in ctx.attr.build_deps for layer in target[LayerInfo].layers]
    made = ctx.actions.run(
        pin.name + ".wheel",
        root = base.layers + [layer for layer in tools if layer not in base.layers],
        environment = base.environment,
        argv = [ctx.attr.build_deps[0][PyInfo].prefix + "/bin/python" if tools else info.interpreter, "-B", "-s", "-c", _BUILD, where, "built.whl"],
        env = {"PYTHONHASHSEED": "0"},
        outputs = ["built.whl"],
        layer = False,
        user = "0:0",
        **given
    )
    return made.files[0]

def _fetched(ctx, pin, info):
    """Returns the wheel of a package that a lock names: by its digest, or built from a source."""
    if pin.directory or pin.commit:
        return _built(ctx, pin, None, info)
    if not pin.filename:
        return ctx.actions.fetch_wheel(
            "%s-%s.whl" % (pin.name, pin.version),
            project = pin.name,
            version = pin.version,
            sha256 = pin.sha256,
            python = ctx.attr.python,
            libc = ctx.attr.libc,
        )
    indexes = [] if pin.direct else ["pypi:%s/%s" % (pin.name, pin.filename)]
    file = ctx.actions.fetch(
        pin.filename,
        urls = indexes + ([pin.url] if pin.url else []),
        sha256 = pin.sha256[0],
        size = pin.size,
    )
    return file if pin.filename.endswith(".whl") else _built(ctx, pin, file, info)

def _parts(ctx, pins):
    """Returns lists of packages, each for one layer, by the name of that."""
    by_name = {pin.name: pin for pin in pins}
    large = [name.lower().replace("_", "-").replace(".", "-") for name in ctx.attr.large]
    for name in large:
        if name not in by_name:
            fail("large: %s is not in the lock" % name, attr = "large")
    sizes = {pin.name: pin.size or 0 for pin in pins}
    parts = grouped(list(by_name), large, ctx.attr.max_layers, sizes)
    return {part: [by_name[name] for name in names] for part, names in parts.items()}

def _py_layers_impl(ctx):
    info = PyInfo(
        interpreter = ctx.attr.interpreter or "/usr/bin/python" + _short(ctx.attr.python),
        prefix = ctx.attr.prefix,
        python = _short(ctx.attr.python),
    )
    pins = ctx.read_python_lock(
        ctx.file.lock,
        python = ctx.attr.python,
        libc = ctx.attr.libc,
        project = ctx.attr.project,
        extras = ctx.attr.extras,
        groups = ctx.attr.groups,
        sources = ctx.attr.allow_sdist,
        requirements = ctx.file.requirements,
    )
    packages = "%s/lib/python%s/site-packages" % (info.prefix, info.python)
    layers = [ctx.actions.layer("environment", _environment_entries(ctx, info))]
    parts = _parts(ctx, [pin for pin in pins if pin.name not in ctx.attr.exclude])
    for name in sorted(parts):
        wheels = [_fetched(ctx, pin, info) for pin in parts[name]]
        layer = ctx.actions.layer(name, [entry.wheels(wheels, prefix = info.prefix, python = info.python)])
        layers.append(_compiled(ctx, name, layer, packages, info) if ctx.attr.compile else layer)
    return [LayerInfo(layers = layers, base = []), info]

def _py_layers_lock(ctx):
    if not ctx.attr.requirements:
        return None
    return struct(
        kind = "python",
        file = ctx.attr.lock,
        requirements = ctx.attr.requirements,
        python = ctx.attr.python,
        libc = ctx.attr.libc,
        extras = ctx.attr.extras,
        groups = ctx.attr.groups,
        sources = ctx.attr.allow_sdist,
    )

py_layers = rule(
    implementation = _py_layers_impl,
    lock = _py_layers_lock,
    attrs = {
        "allow_sdist": attr.string_list(doc = "Packages that may be built from source where they have no wheel that fits: in the sandbox, by the base's interpreter, without a network."),
        "base": attr.label_list(providers = _STACK, doc = "The image or layers that Python is in; `compile` and `allow_sdist` run it there."),
        "build_deps": attr.label_list(providers = [LayerInfo, PyInfo], doc = "What builds of `allow_sdist` need, such as setuptools: py_layers for the same base."),
        "compile": attr.bool(doc = "Whether the base's own interpreter compiles the packages, into .pyc files that are checked by the hash of their source (PEP 552)."),
        "exclude": attr.string_list(doc = "Packages of the lock that are left out, by their normalized names."),
        "extras": attr.string_list(doc = "Extras of the project to install, of a uv.lock or pylock.toml."),
        "groups": attr.string_list(doc = "Dependency groups to install, of a uv.lock or pylock.toml."),
        "interpreter": attr.path(doc = "Where Python is in the base; /usr/bin/python3.N if left out, as Debian has it. In the images called python it is /usr/local/bin/python3.N."),
        "large": attr.string_list(doc = "Packages that get a layer of their own, where the lock has no sizes."),
        "libc": attr.string(default = "glibc-2.28", doc = "The newest C library that wheels may need: that of the base or older, as glibc-2.36 or musl-1.2."),
        "lock": attr.label(mandatory = True, allow_files = True, doc = "What is installed: a requirements.txt with hashes, a uv.lock, or a pylock.toml."),
        "max_layers": attr.int(default = 20, doc = "How many layers there may be. Wheels from 1 MiB on get one each, the largest first; the others share four, by their names."),
        "sources": attr.label_list(allow_files = True, doc = "The files of folders that the lock names, such as members of a uv workspace, where `allow_sdist` has their packages. Other first-party packages are left out."),
        "prefix": attr.path(default = "/opt/venv", doc = "The virtual environment that packages are installed into."),
        "project": attr.string(doc = "The member of a uv workspace whose dependencies are meant; the one at the lock's folder if left out."),
        "python": attr.string(mandatory = True, doc = "The version of Python in the base, as 3.12 or 3.12.4."),
        "requirements": attr.label(allow_files = True, doc = "What `hermes lock` makes the lock of: a requirements.in or pyproject.toml. A lock that does not satisfy it is refused."),
    },
    doc = "Python packages as locked, installed into a virtual environment, in layers. No pip runs, and none is needed.",
)

def _chosen(ctx):
    """Returns the one PyInfo of all deps; without any, that of the base's own interpreter."""
    found = [target[PyInfo] for target in ctx.attr.deps]
    for one in found[1:]:
        if one != found[0]:
            fail("%s and %s are for different environments" % (ctx.attr.deps[0].label, ctx.attr.deps[found.index(one)].label), attr = "deps")
    if found:
        return found[0]
    return PyInfo(interpreter = ctx.attr.interpreter or "/usr/bin/python3", prefix = "", python = "")

def _entrypoint(ctx, info):
    given = [name for name in ("main", "module", "script") if getattr(ctx.attr, name)]
    if len(given) != 1:
        fail(
            "expected one of main, module and script, got %s" % (" and ".join(given) or "none"),
            attr = given[1] if given else "main",
            hint = 'say what the image starts, as main = "app/main.py", module = "app" or script = "gunicorn"',
        )
    python = info.prefix + "/bin/python" if info.prefix else info.interpreter
    if ctx.attr.module:
        return [python, "-m", ctx.attr.module]
    if ctx.attr.script:
        if not info.prefix or "/" in ctx.attr.script:
            fail("script is the name of a script that a package of deps has", attr = "script")
        return ["%s/bin/%s" % (info.prefix, ctx.attr.script)]
    if ctx.attr.main not in [file.path for file in ctx.files.srcs]:
        fail("main: %s is not among srcs" % ctx.attr.main, attr = "main")
    prefix = ctx.attr.strip_prefix.strip("/")
    below = ctx.attr.main[len(prefix) + 1:] if prefix else ctx.attr.main
    return [python, "%s/%s" % (ctx.attr.dest.rstrip("/"), below)]

def _py_image_impl(ctx):
    info = _chosen(ctx)
    entrypoint = _entrypoint(ctx, info)
    env = {"PYTHONUNBUFFERED": "1"}
    infos = [target[LayerInfo] for target in ctx.attr.deps + ctx.attr.layers]
    if ctx.files.srcs:
        layer = ctx.actions.layer("srcs", [entry.files(ctx.files.srcs, dest = ctx.attr.dest, strip_prefix = ctx.attr.strip_prefix)])
        if ctx.attr.compile:
            if not info.python:
                fail("compile needs the version of Python, which deps say", attr = "compile")
            layer = _compiled(ctx, "srcs", layer, ctx.attr.dest, info)
        infos.append(LayerInfo(layers = [layer], base = []))
        env["PYTHONPATH"] = ctx.attr.dest
    if info.prefix:
        env["PATH"] = "%s/bin:%s" % (info.prefix, "$PATH" if stack_of(ctx.attr.base).image else _PATH)
    return [composed(
        ctx,
        infos,
        entrypoint = entrypoint,
        cmd = ctx.attr.args,
        env = env | ctx.attr.env,
        workdir = ctx.attr.workdir or (ctx.attr.dest if ctx.files.srcs else ""),
        dropped = [] if ctx.attr.args else ["cmd"],
        programs = [layer for target in ctx.attr.deps for layer in target[LayerInfo].layers],
    )]

py_image = rule(
    implementation = _py_image_impl,
    attrs = IMAGE_ATTRS | CHECK_ATTRS | {
        "args": attr.string_list(doc = "Arguments of the program; those of `docker run` take their place."),
        "base": attr.label_list(mandatory = True, allow_empty = False, providers = _STACK, doc = "The image or layers that Python is in."),
        "compile": attr.bool(doc = "Whether the base's own interpreter compiles srcs."),
        "deps": attr.label_list(providers = [LayerInfo, PyInfo], doc = "The packages that the program needs: py_layers."),
        "dest": attr.path(default = "/app", doc = "The folder that srcs go to. It is in PYTHONPATH, and where the program starts if workdir says nothing else."),
        "interpreter": attr.path(doc = "Where Python is, for a program without deps; /usr/bin/python3 if left out."),
        "layers": attr.label_list(providers = [LayerInfo], doc = "More layers, below that of srcs."),
        "main": attr.string(doc = "The file of srcs that the image starts, by its path in its package."),
        "module": attr.string(doc = "The module that the image starts, as `python -m` does."),
        "script": attr.string(doc = "The script of a package of deps that the image starts, such as gunicorn."),
        "srcs": attr.label_list(allow_files = True, doc = "First-party code, in a layer of its own on top, by paths in packages."),
        "strip_prefix": attr.string(doc = "A folder to take off the front of the paths of srcs."),
    },
    doc = "A program in Python as an image: the packages that it needs, its own code, and what starts it.",
)
