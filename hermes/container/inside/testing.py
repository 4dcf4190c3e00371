"""The tests of an image, in the user namespace: its files are looked at in a mount of it, and each command has a root of its own.

`run` is one call of `hermes.sandbox.namespace.Namespace`. What it prints, as it goes on, is for people.
"""

from __future__ import annotations

import os
import shlex
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final, Self

from hermes.container.calls.testing import TEST, ImageTests, Planned
from hermes.container.inside.rootpath import resolve
from hermes.container.inside.run_in_stack import Container
from hermes.container.inside.scratch import scratch_of, store_at
from hermes.container.lowers import Tree
from hermes.container.output import piped
from hermes.container.overlay import mount_stack, owner_in
from hermes.container.stack import Upper
from hermes.container.task import Outcome, Task
from hermes.digest import CHUNK
from hermes.errors import BuildError, ProgramMissing, ProgramRefused, SandboxError
from hermes.sandbox.choice import sandbox
from hermes.sandbox.process import Sandbox
from hermes.sandbox.remote import Caller, Stdio, serves_command
from hermes.sandbox.syscalls import MNT_DETACH, umount
from hermes.store import Store
from hermes.store.blobs import write_all
from hermes.testing import verdicts
from hermes.testing.patterns import found, text_of
from hermes.testing.report import Case, Report, clipped
from hermes.testing.suite import CommandTest, FileContentTest, FileExistenceTest, LicenseTest, Variable
from hermes.testing.variables import expanded

_DOCUMENTS: Final = "/usr/share/doc"
_LARGEST: Final = 64 << 20
"""The most bytes of a file, or of an output, that patterns are tried on."""


class _TookTooLong(Exception):
    """The time of the whole test is over."""


@serves_command(TEST)
def run(call: ImageTests, stdio: Stdio, caller: Caller) -> Report:
    with store_at(call.home) as store, scratch_of(store) as scratch:
        suite = _Suite(store, call, scratch, stdio, caller)
        started = time.monotonic()
        timed_out = False
        try:
            if call.http is not None:
                from hermes.container.inside.serving import serve

                for case in serve(store, call, scratch, suite.left(), stdio, caller):
                    suite.note(case)
            for number, one in enumerate(call.planned):
                suite.structure(one, f"{scratch}/{number}")
        except _TookTooLong:
            timed_out = True
        return Report(tuple(suite.cases), int((time.monotonic() - started) * 1000), timed_out)


class _Suite:
    """Runs cases one after the other, and keeps what came of them."""

    def __init__(self, store: Store, call: ImageTests, scratch: str, stdio: Stdio, caller: Caller) -> None:
        self.cases: list[Case] = []
        self._store = store
        self._call = call
        self._scratch = scratch
        self._stdio = stdio
        self._caller = caller
        self._deadline = time.monotonic() + call.seconds
        self._count = 0

    def left(self) -> float:
        """Return how many seconds are left for all that is to come; raises where there are none."""
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise _TookTooLong
        return seconds

    def note(self, case: Case) -> None:
        """Keep a case, and print it."""
        self.cases.append(case)
        self._say(f"{'PASS' if case.passed else 'FAIL'}: {case.name}", *(f"  {one}" for one in case.errors))

    def structure(self, planned: Planned, folder: str) -> None:
        """Run the cases of one file; ``folder`` is a path for them alone."""
        os.mkdir(folder)
        asked = planned.structure
        image_env = dict(verdicts.variables(self._call.config))
        env = {**image_env, **_expanded(asked.env, image_env)}
        for test in asked.commands:
            if self._is_chosen(test.title):
                self._command(test, planned, env)
        trees = [Tree.open(f"{self._store.trees}/{one.diff_id.hex}", one.name) for one in planned.task.stack]
        with _mounted(trees, folder) as root:
            files = _Files(root, trees)
            for content in asked.content:
                self._case(content.title, lambda one=content: files.content(one))  # type: ignore[misc]
            for existence in asked.existence:
                path = expanded(existence.path, env)
                self._case(existence.title, lambda one=existence, at=path: files.existence(one, at))  # type: ignore[misc]
            for license_ in asked.licenses:
                self._case(license_.title, lambda one=license_: files.license(one))  # type: ignore[misc]
        if not asked.metadata.is_empty:
            self._case(asked.metadata.title, lambda: verdicts.of_metadata(asked.metadata, self._call.config))

    def _is_chosen(self, title: str) -> bool:
        return not self._call.chosen or found(self._call.chosen, title)

    def _case(self, title: str, decide: Callable[[], Iterable[str]]) -> None:
        """Run a case that needs no command."""
        if not self._is_chosen(title):
            return
        self.left()
        started = time.monotonic()
        try:
            errors = tuple(decide())
        except BuildError as error:  # such as a loop of links
            errors = (error.message,)
        self.note(Case(title, errors, int((time.monotonic() - started) * 1000)))

    def _command(self, test: CommandTest, planned: Planned, env: dict[str, str]) -> None:
        folder = f"{self._scratch}/command{self._count}"
        self._count += 1
        os.mkdir(folder)
        started = time.monotonic()
        printed = _Printed()
        try:
            with _Root(self._store, planned.task, folder, self._call, self._caller) as root:
                errors = tuple(self._performed(test, planned, env, root, printed))
                errors = (*errors, *printed.notes) if errors else ()
        except (ProgramMissing, ProgramRefused) as error:
            errors = tuple(filter(None, (error.message, error.hint)))
        except SandboxError:
            raise
        except BuildError as error:
            errors = (error.message,)
        case = Case(
            test.title, errors, int((time.monotonic() - started) * 1000), *map(clipped, printed.texts)
        )
        self.note(case)
        if printed.timed_out:
            raise _TookTooLong

    def _performed(
        self, test: CommandTest, planned: Planned, env: dict[str, str], root: _Root, printed: _Printed
    ) -> Iterator[str]:
        """Run the commands of a test as container-structure-test does; yield what is wrong.

        A command of ``setup`` may fail, and its variables are the image's from then on. Those of the test itself are
        taken as they are written, and give way where the file says how containers start.
        """
        if test.setup:
            own = _expanded(test.env, env)
            for argv in test.setup:
                self._beside(argv, {**env, **own}, root, printed)
            env = {**env, **own}
        given = (test.command, *test.args)
        argv = given if test.is_literal else tuple(expanded(one, env) for one in given)
        more = planned.env if planned.structure.options.is_set else ((one.key, one.value) for one in test.env)
        outcome = root.run(argv, {**env, **dict(more)}, self._stdio, printed, self.left())
        if outcome.timed_out:
            printed.timed_out = True
            yield "it took longer than the test may take, and was ended"
            return
        yield from verdicts.of_command(test, *printed.texts, outcome.status)
        for argv in test.teardown:
            self._beside(argv, env, root, printed)

    def _beside(self, argv: Sequence[str], env: dict[str, str], root: _Root, printed: _Printed) -> None:
        """Run a command before or after the one that is tested; that it fails is only said."""
        own = _Printed()
        outcome = root.run(tuple(argv), env, self._stdio, own, self.left())
        if outcome.timed_out:
            raise _TookTooLong
        if outcome.status:
            said = " ".join("".join(own.texts).split())
            note = f"note: `{shlex.join(argv)}` ended with status {outcome.status}: {said or 'it printed nothing'}"
            printed.notes.append(note)
            self._say(note)

    def _say(self, *lines: str) -> None:
        write_all(self._stdio[1], "".join(f"{one}\n" for one in lines).encode("utf-8", "backslashreplace"))


class _Printed:
    """What a command printed."""

    def __init__(self) -> None:
        self.texts = ("", "")
        self.timed_out = False
        self.notes: list[str] = []


class _Root:
    """A root file system of an image for the commands of one test, which is gone at the end."""

    def __init__(self, store: Store, task: Task, folder: str, call: ImageTests, caller: Caller) -> None:
        self._store = store
        self._folder = folder
        self._sandbox: Sandbox = sandbox(task.runtime, call.where)
        self._emulators = dict(call.emulators)
        self._caller = caller
        self._count = 0
        trees = [Tree.open(f"{store.trees}/{one.diff_id.hex}", one.name) for one in task.stack]
        upper = Upper(f"{folder}/tree/root", f"{folder}/work")
        self._mount = mount_stack(trees, folder, target="merged", upper=upper)
        self._task = replace(task, root=self._mount, upper=upper)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        umount(self._mount, MNT_DETACH)

    def run(
        self, argv: tuple[str, ...], env: dict[str, str], stdio: Stdio, printed: _Printed, seconds: float
    ) -> Outcome:
        """Run a command; ``printed`` gets what it prints, and the output of ``stdio`` too."""
        task = replace(self._task, argv=argv, env=(*self._task.env, *env.items()), timeout=seconds)
        folder = f"{self._folder}/{self._count}"
        self._count += 1
        os.mkdir(folder)
        container = Container(self._store, task, folder, emulators=self._emulators)
        with open(f"{folder}/out", "w+b") as out, open(f"{folder}/error", "w+b") as error:
            target = (stdio[0], out.fileno(), error.fileno())

            def tell(data: bytes) -> None:
                write_all(stdio[1], data)

            with (
                piped(target, tell=tell, most=_LARGEST)
                if task.session
                else _terminal(out.fileno(), tell) as ours
            ):
                outcome = container.run(self._sandbox, ours, self._caller)
            printed.texts = (_read(out.fileno()), _read(error.fileno()))
        return outcome


class _Files:
    """The files of an image, mounted at ``root``."""

    def __init__(self, root: str, trees: Sequence[Tree]) -> None:
        self._root = root
        self._owner = owner_in(trees)

    def existence(self, test: FileExistenceTest, path: str) -> Iterator[str]:
        yield from verdicts.of_existence(test._replace(path=path), self._seen(path))

    def content(self, test: FileContentTest) -> Iterator[str]:
        text = self._text(test.path)
        if text is None:
            yield f"there is no file {test.path}"
        else:
            yield from verdicts.of_content(test, text)

    def license(self, test: LicenseTest) -> Iterator[str]:
        files = list(test.files)
        if test.debian:
            documents = resolve(self._root, _DOCUMENTS)
            if not os.path.isdir(documents):
                yield f"there is no folder {_DOCUMENTS}"
                return
            with os.scandir(documents) as items:
                packages = sorted(one.name for one in items if one.is_dir(follow_symlinks=False))
            files = [
                f"{_DOCUMENTS}/{one}/copyright" for one in packages if verdicts.needs_license(one)
            ] + files
        for path in files:
            text = self._text(path)
            if text is None:
                yield f"there is no license file {path}"
            else:
                yield from verdicts.of_license(path, text)

    def _seen(self, path: str) -> verdicts.Seen | None:
        at = resolve(self._root, _clean(path), follow_last=path.endswith("/"))
        try:
            status = os.lstat(at)
        except (FileNotFoundError, NotADirectoryError):
            return None
        kinds = (stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK)
        if not any(is_one(status.st_mode) for is_one in kinds):
            return None  # as the tool has it, of devices, sockets and FIFOs
        owner = self._owner and self._owner(at[len(self._root) + 1 :])
        return verdicts.Seen(status.st_mode, *(owner or (status.st_uid, status.st_gid)))

    def _text(self, path: str) -> str | None:
        """Return what a regular file holds, or None where there is none."""
        at = resolve(self._root, _clean(path))
        try:
            fd = os.open(at, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return _read(fd) if stat.S_ISREG(os.fstat(fd).st_mode) else None
        finally:
            os.close(fd)


@contextmanager
def _terminal(out: int, tell: Callable[[bytes], None]) -> Iterator[Stdio]:
    """Give a terminal to a command, whose output goes to ``out`` and to ``tell``."""
    ours, its = os.openpty()

    def copy() -> None:
        with suppress(OSError):  # EIO when nobody has the terminal any more
            while data := os.read(ours, CHUNK):
                write_all(out, data)
                tell(data)

    thread = threading.Thread(target=copy, name="terminal", daemon=True)
    thread.start()
    try:
        yield its, its, its
    finally:
        os.close(its)
        thread.join()
        os.close(ours)


@contextmanager
def _mounted(trees: Sequence[Tree], folder: str) -> Iterator[str]:
    root = mount_stack(trees, folder, target="files")
    try:
        yield root
    finally:
        umount(root, MNT_DETACH)


def _expanded(variables: Iterable[Variable], env: dict[str, str]) -> dict[str, str]:
    return {one.key: expanded(one.value, env) for one in variables}


def _clean(path: str) -> str:
    """Take ``..`` away before links are followed, as docker does."""
    return os.path.normpath(f"/{path}")


def _read(fd: int) -> str:
    """Return the text of an open file; raises `BuildError` for one that is too large."""
    if os.fstat(fd).st_size >= _LARGEST:
        raise BuildError(f"there are more than {_LARGEST >> 20} MiB, the most that patterns are tried on")
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, "rb", closefd=False) as file:
        return text_of(file.read())
