"""``git``: the files of a commit as a layer, fetched by the machine's own git.

Git verifies that what comes has the commit's digest. To fetch it may use what the user has configured: credentials,
proxies, other addresses. What is checked out depends on the commit alone: no settings, filters or hooks are in force.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from hermes import children
from hermes.actions.layer import stored_layer
from hermes.actions.specs.git import Git
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools
from hermes.download import shown
from hermes.engine.action import Outputs
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import BuildError, BuildInterrupted, FetchError
from hermes.layer.content import FileContent
from hermes.layer.entry import DIRECTORY, FILE, SYMLINK, WHITEOUT_PREFIX, Entry
from hermes.layer.write import Item
from hermes.store.io_errors import storing

_SUBMODULE: Final = "160000"
_PLAIN: Final = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}
_CANNOT_READ: Final = "fatal: Could not read from remote repository."
_ASK_NOBODY: Final = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "LC_ALL": "C"}
_ELSEWHERE: Final = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_NAMESPACE", "GIT_COMMON_DIR"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CEILING_DIRECTORIES"),
)
"""Variables that name another repository, as they are set in a hook of one."""
_OVERRIDES: Final = (
    "GIT_CONFIG",
    "GIT_TEMPLATE_DIR",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
)
_NO_SETTINGS: Final = (
    "-c",
    "core.attributesFile=/dev/null",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.autocrlf=false",
)


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `FetchError` when the commit cannot be had, `BuildError` when it holds what a layer cannot."""
    spec = of_request(Git[Resolved], request)
    with tools.store.scratch.directory() as folder, storing("the store"):
        checkout = Checkout(folder, spec.url, tools.cancelled)
        root = checkout.files(
            spec.commit, spec.ref, spec.folder, submodules=spec.submodules, origin=spec.origin
        )
        return {"layer": stored_layer(_items(root), tools, None)}


class Checkout:
    """A repository at ``url``, fetched to ``folder`` until ``cancelled`` is set; raises `BuildError` without a git.

    Its files are put into ``tree``. It is a submodule of the one at ``above``, if that is said.
    """

    def __init__(
        self, folder: Path, url: str, cancelled: threading.Event, *, tree: Path | None = None, above: str = ""
    ) -> None:
        program = shutil.which("git")
        if program is None:
            raise BuildError(
                "this machine has no git, which fetches repositories",
                hint="install git, or name an archive of the commit by its URL",
            )
        self._program = program
        self._repository = folder / "repository"
        self._folder = folder
        self._tree = tree or folder / "tree"
        self._above = above
        self._url = url
        self._cancelled = cancelled

    def commit_of(self, ref: str) -> str:
        """Return the commit that a branch, a tag or ``HEAD`` leads to now; raises `FetchError`."""
        done = self._run("ls-remote", "--", self._url, ref, f"{ref}^{{}}", at=None)
        if done.returncode:
            problem = _reason(done.stderr) or "it cannot be read"
            raise FetchError(f"{shown(self._url)}: {problem}", hint="check the address and the network")
        rows = (row.partition("\t") for row in done.stdout.decode("utf-8", "replace").splitlines())
        found = {name: commit for commit, _, name in rows}
        for name in (f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}", f"refs/heads/{ref}", f"refs/{ref}", ref):
            if name in found:
                return found[name]
        raise FetchError(
            f"{shown(self._url)} has no branch or tag {ref}",
            hint="name one after #, as #main or #v1.2, or a commit by all its digits",
        )

    def files(self, commit: str, ref: str, folder: str, *, submodules: bool = True, origin: str = "") -> Path:
        """Fetch a commit and return the folder with the files of one of its folders.

        With ``submodules`` those in it are fetched, too. With ``origin`` the repository is ``.git`` there, as BuildKit has
        it, if the folder is the whole of it.
        """
        kind = "sha256" if len(commit) > 40 else "sha1"
        self._git(
            "init",
            "-q",
            "--bare",
            "--template=",
            f"--object-format={kind}",
            str(self._repository),
            env=_PLAIN,
            at=None,
        )
        wanted = [commit, *([ref] if ref else []), "+refs/heads/*:refs/heads/*"]
        problem = ""
        for one in wanted:
            depth = ["--depth=1"] if one == commit else []
            done = self._run(
                "fetch", "-q", "--no-tags", "--no-recurse-submodules", *depth, "--", self._url, one
            )
            problem = problem or _reason(done.stderr)
            if self._run("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0:
                return self._checked_out(commit, folder, submodules=submodules, origin=origin)
        raise FetchError(
            f"commit {commit} cannot be fetched from {shown(self._url)}: {problem or 'it has none'}",
            hint="check the address, the commit and the network",
        )

    def said_of(self, commit: str, form: str) -> str:
        """Return what a fetched commit says of itself in a form of git-log(1), "Pretty formats"."""
        return self._git("show", "-s", f"--format={form}", commit, env=_PLAIN).removesuffix("\n")

    def _checked_out(self, commit: str, folder: str, *, submodules: bool, origin: str) -> Path:
        self._tree.mkdir(exist_ok=True)
        self._git(
            f"--work-tree={self._tree}",
            *_NO_SETTINGS,
            "checkout",
            "-q",
            "-f",
            commit,
            "--",
            ".",
            env=_PLAIN,
        )
        found = self._tree / folder
        if (
            os.path.islink(found)
            or not found.resolve().is_relative_to(self._tree.resolve())
            or not found.exists()
        ):
            raise BuildError(
                f"{shown(self._url)} has no {folder} at {commit}", hint="name a folder that it has"
            )
        if submodules:
            self._submodules(commit, folder, origin=origin)
        if origin and not folder:
            self._keep(commit, origin)
        return found

    def _submodules(self, commit: str, folder: str, *, origin: str) -> None:
        """Fetch the submodules below a folder, and theirs."""
        listed = self._git("ls-tree", "-r", "-z", "--full-tree", commit, env=_PLAIN).split("\0")
        rows = [row.partition("\t") for row in listed if row.startswith(_SUBMODULE)]
        inside = [
            (path, facts.split()[2])
            for facts, _, path in rows
            if f"{path}/".startswith(f"{folder}/" if folder else "")
        ]
        urls = self._submodule_urls(commit) if inside else {}
        for number, (path, wanted) in enumerate(inside):
            if path not in urls:
                raise BuildError(
                    f"{path} of {shown(self._url)} is a submodule, and .gitmodules does not say where it is",
                    hint="leave submodules out: URL?submodules=false",
                )
            at = self._folder / f"submodule{number}"
            at.mkdir()
            url = _resolved(self._url, urls[path])
            one = Checkout(at, url, self._cancelled, tree=self._tree / path, above=self._above or self._url)
            one.files(wanted, "", "", origin=shown(url) if origin else "")

    def _submodule_urls(self, commit: str) -> dict[str, str]:
        """Return where submodules are, by their paths."""
        done = self._run("config", "--blob", f"{commit}:.gitmodules", "--list", "-z", env=_PLAIN)
        values: dict[str, dict[str, str]] = {}
        for row in done.stdout.decode("utf-8", "surrogateescape").split("\0"):
            name, _, value = row.partition("\n")
            section, _, key = name.removeprefix("submodule.").rpartition(".")
            values.setdefault(section, {})[key] = value
        return {one["path"]: one["url"] for one in values.values() if "path" in one and "url" in one}

    def _keep(self, commit: str, origin: str) -> None:
        """Make the repository the ``.git`` of its files, with nothing of this machine in it."""
        for name, value in (
            ("core.bare", "false"),
            ("remote.origin.url", origin),
            ("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
        ):
            self._git("config", name, value, env=_PLAIN)
        self._git("update-ref", "--no-deref", "HEAD", commit, env=_PLAIN)
        (self._repository / "index").unlink(missing_ok=True)
        self._git("read-tree", commit, env=_PLAIN)  # an index without the times and numbers of files
        (self._repository / "FETCH_HEAD").unlink(missing_ok=True)
        self._repository.rename(self._tree / ".git")

    def _git(self, *arguments: str, env: Mapping[str, str], at: Path | None = Path()) -> str:
        done = self._run(*arguments, env=env, at=at)
        if done.returncode:
            raise BuildError(f"git {arguments[0]}: {_reason(done.stderr)}")
        return done.stdout.decode("utf-8", "surrogateescape")

    def _run(
        self, *arguments: str, env: Mapping[str, str] | None = None, at: Path | None = Path()
    ) -> subprocess.CompletedProcess[bytes]:
        """Run git, and give up when the build is interrupted."""
        place = [] if at is None else [f"--git-dir={self._repository}"]
        argv = [self._program, *place, "-c", "protocol.ext.allow=never", *arguments]
        own = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
        if env is not None:
            own = {name: value for name, value in own.items() if not name.startswith(_OVERRIDES)}
        environment = {**_bounds(), **own, **_ASK_NOBODY, **(env or {})}
        if self._above and not _is_local(self._above):  # else a repository could name files of this machine
            environment["GIT_PROTOCOL_FROM_USER"] = "0"
        with children.started(
            argv,
            env=environment,
            umask=0o022,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    output, problem = process.communicate(timeout=0.2)
                    return subprocess.CompletedProcess(argv, process.returncode, output, problem)
                if self._cancelled.is_set():
                    raise BuildInterrupted


def _is_local(url: str) -> bool:
    return url.startswith(("/", "file://"))


def _resolved(above: str, url: str) -> str:
    """Return where a submodule is that its repository, at ``above``, says is at ``url``; see git-submodule(1), "add"."""
    if not url.startswith(("./", "../")):
        return url
    base = above.rstrip("/")
    while url.startswith(("./", "../")):
        step, _, url = url.partition("/")
        if step == "..":
            start, separator = base, "/"
            if "/" not in start.partition("://")[2] and ":" in start.rpartition("/")[2]:
                separator = ":"  # git@HOST:PATH
            base = start.rpartition(separator)[0] + (":" if separator == ":" else "")
    return f"{base}{'' if base.endswith(':') else '/'}{url}"


def _bounds() -> dict[str, str]:
    """Return variables by which git gives up a server that sends next to nothing, as Hermes itself does."""
    from hermes.registry.pace import CONNECTING, LEAST, SECONDS

    return {
        "GIT_SSH_COMMAND": f"ssh -o BatchMode=yes -o ConnectTimeout={CONNECTING} -o ServerAliveInterval={CONNECTING}",
        "GIT_HTTP_LOW_SPEED_LIMIT": str(int(LEAST / SECONDS)),
        "GIT_HTTP_LOW_SPEED_TIME": str(int(SECONDS)),
    }


def _items(root: Path) -> Iterator[Item]:
    if not root.is_dir():
        yield _item(root, root.name)
        return
    pending = [root]
    while pending:
        for path in pending.pop().iterdir():
            name = path.name
            inside = str(path.relative_to(root))
            if name.startswith(WHITEOUT_PREFIX):
                raise BuildError(f"{inside}: in a layer a name cannot begin with {WHITEOUT_PREFIX}")
            yield _item(path, inside)
            if path.is_dir() and not path.is_symlink():
                pending.append(path)


def _item(path: Path, name: str) -> Item:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return Entry(name, SYMLINK, 0o777, link=os.readlink(path)), None
    if stat.S_ISDIR(status.st_mode):
        return Entry(name, DIRECTORY, 0o755), None
    mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Entry(name, FILE, mode, size=status.st_size, digest=digest), FileContent(str(path), status.st_size)


def _reason(data: bytes) -> str:
    """Return the last line that git said, or ssh before git asked whether the repository is there."""
    said, asked, _ = data.decode("utf-8", "replace").partition(_CANNOT_READ)
    lines = said.strip().splitlines() or [asked]
    return lines[-1].removeprefix("fatal: ")
