"""Every exception that Hermes raises on purpose.

An error is one message: what is wrong, where, and (as ``hint``) what to do about it. Its type says who is
to blame and so decides the exit status. Anything that is not a `HermesError` is a bug in Hermes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, NamedTuple

LONGEST_SHOWN: Final = 1000
"""How many characters of a line errors show."""

_MOST_SHOWN: Final = 20
"""How many errors of one file are shown."""


class SourceLocation(NamedTuple):
    """A place in a BUILD or ``.bzl`` file.

    ``file`` is the file's name as a user would write it, ``line`` and ``column`` count from 1 (0: unknown),
    ``text`` is the source line without its line end.
    """

    file: str
    line: int = 0
    column: int = 0
    text: str = ""

    def __str__(self) -> str:
        parts = [self.file]
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)

    def excerpt(self) -> str:
        """Return the source line with a caret under the column, or an empty string."""
        if not self.text.strip():
            return ""
        shown = self.text.replace("\t", " ")
        caret = "\n  " + " " * (self.column - 1) + "^" if self.column else ""
        return f"  {shown}{caret}"


class HermesError(Exception):
    """The base of all errors: a message, and optionally where it happened and what to do.

    ``details`` names the attributes that a class has besides; their values are JSON values, or tuples of such. After one
    of a class that does not ``stop`` a build the other actions are executed all the same.
    """

    exit_status: int = 1
    stops: ClassVar[bool] = True
    details: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, message: str, *, hint: str | None = None, location: SourceLocation | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.location = location

    def render(self) -> str:
        """Return the whole text shown to a user, without the leading ``error:``."""
        lines = [f"{self.location}: {self.message}" if self.location else self.message]
        if self.location and (excerpt := self.location.excerpt()):
            lines.append(excerpt)
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.render()

    def to_data(self) -> dict[str, Any]:
        """Return the error as JSON values, from which `error_of` makes an equal one in any process."""
        data: dict[str, Any] = {"type": type(self).__name__, "message": self.message}
        if self.hint is not None:
            data["hint"] = self.hint
        if self.location is not None:
            data["location"] = list(self.location)
        data.update((name, getattr(self, name)) for name in self.details)
        return data

    def _take(self, data: Mapping[str, Any]) -> None:
        """Take the attributes over from data of `to_data`."""
        self.message = data["message"]
        self.hint = data.get("hint")
        self.location = SourceLocation(*data["location"]) if "location" in data else None
        for name in self.details:
            value = data[name]
            setattr(self, name, tuple(value) if isinstance(value, list) else value)


def error_of(data: Mapping[str, Any]) -> HermesError:
    """Return the error that `HermesError.to_data` described.

    A type that this version does not know, such as one of a newer worker, becomes a `BuildError` with that message.
    Raises `KeyError` when a part is missing.
    """
    kind = globals().get(data["type"])
    if not (isinstance(kind, type) and issubclass(kind, HermesError)):
        kind = BuildError
    error = kind.__new__(kind)
    Exception.__init__(error, data["message"])
    error._take(data)  # noqa: SLF001 - the other half of to_data
    return error


# The command line, the configuration or a BUILD file is wrong: exit status 2.


class UsageError(HermesError):
    """The command line is invalid."""

    exit_status = 2


class NoSuchPlatform(UsageError):
    """There is an image, and not for the platform that was asked for."""


class WorkspaceError(HermesError):
    """There is no workspace here, or its ``hermes.yaml`` or layout is wrong."""

    exit_status = 2


class BuildFileError(HermesError):
    """A BUILD or ``.bzl`` file is wrong."""

    exit_status = 2


class BuildFileErrors(BuildFileError):
    """Several errors of BUILD and ``.bzl`` files, each with its place; see `together`."""

    def __init__(self, errors: Iterable[HermesError]) -> None:
        self.errors = tuple(errors)
        shown = [one.render() for one in self.errors[:_MOST_SHOWN]]
        if more := len(self.errors) - len(shown):
            shown.append(f"{more} more error{'s' if more > 1 else ''}")
        super().__init__("\n".join(shown), location=self.errors[0].location)

    def render(self) -> str:
        return self.message

    def to_data(self) -> dict[str, Any]:
        return {**super().to_data(), "errors": [one.to_data() for one in self.errors]}

    def _take(self, data: Mapping[str, Any]) -> None:
        BuildFileErrors.__init__(self, map(error_of, data["errors"]))


def each(error: HermesError) -> tuple[HermesError, ...]:
    """Return the errors that one tells of."""
    return error.errors if isinstance(error, BuildFileErrors) else (error,)


def together(errors: Iterable[HermesError]) -> HermesError:
    """Return one or more errors as one that tells each of them once."""
    found: dict[tuple[str, SourceLocation | None], HermesError] = {}
    for error in errors:
        for one in each(error):
            found.setdefault((one.message, one.location), one)
    return next(iter(found.values())) if len(found) == 1 else BuildFileErrors(found.values())


class LabelError(BuildFileError):
    """A label or a target pattern is malformed, or names nothing."""


class CycleError(BuildFileError):
    """A dependency cycle of targets or files."""


class UndecidedError(BuildFileError):
    """No condition of a select() holds."""


class VisibilityError(BuildFileError):
    """A target is used from a package that may not see it."""


class BakeError(BuildFileError):
    """A bake file is wrong."""


class ComposeError(BuildFileError):
    """A compose file is wrong."""


class DockerfileError(BuildFileError):
    """A Dockerfile is wrong. ``excerpt`` shows the lines around the place."""

    details = ("excerpt",)

    def __init__(self, message: str, *, excerpt: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.excerpt = excerpt

    def render(self) -> str:
        hint = f"hint: {self.hint}" if self.hint else ""
        return "\n".join(part for part in (self.message, self.excerpt, hint) if part)


# The build was right but did not succeed: exit status 1.


class BuildError(HermesError):
    """Something that a build does failed."""


def clipped(text: str) -> str:
    """Return a text that is not too long to be shown."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]} ... ({len(text)} characters)"


class ActionError(BuildError):
    """An action failed.

    ``command`` is what it ran (empty when it ran nothing), ``log`` the path of its full output and
    ``tail`` the last lines of it.
    """

    details = ("command", "tail", "log")

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        command: str = "",
        tail: tuple[str, ...] = (),
        log: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.command = command
        self.tail = tail
        self.log = log

    def render(self) -> str:
        lines = [f"{self.location}: {self.message}" if self.location else self.message]
        if self.command:
            lines.append(f"command: {clipped(self.command)}")
        if self.tail:
            lines.append("last output:")
            lines.extend(f"  {clipped(line)}" for line in self.tail)
        if self.log:
            lines.append(f"full log: {self.log}")
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


class TestFailed(BuildError):
    """A test of an image failed; others go on. ``report`` is `hermes.testing.report.Report` as JSON values, ``log`` a path."""

    __test__ = False
    exit_status = 3
    stops = False
    details = ("report", "log")

    def __init__(
        self, message: str, *, report: Mapping[str, Any], log: str = "", hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.report = report
        self.log = log


class NoTests(HermesError):
    """There is no test among what was named."""

    exit_status = 4


class ProgramMissing(BuildError):
    """The program to run is not in the root file system."""

    exit_status = 127


class ProgramRefused(BuildError):
    """The program to run is there and cannot be executed."""

    exit_status = 126


class BuildFailed(BuildError):
    """One or more actions failed; ``failures`` maps the label of each to its error.

    If all of these say that something was asked for wrongly, such as a line of a Dockerfile, so does this. ``done`` maps the
    labels of targets that were built all the same to what they gave (`hermes.build.result.BuiltOutput`).
    """

    def __init__(
        self, failures: dict[str, HermesError], skipped: int = 0, done: Mapping[str, Any] | None = None
    ) -> None:
        names = ", ".join(failures)
        super().__init__(f"build failed: {names}")
        self.failures = failures
        self.skipped = skipped
        self.done = done or {}
        statuses = {one.exit_status for one in failures.values()}
        self.exit_status = UsageError.exit_status if statuses == {UsageError.exit_status} else 1

    def to_data(self) -> dict[str, Any]:
        failures = [[label, error.to_data()] for label, error in self.failures.items()]
        return {**super().to_data(), "failures": failures, "skipped": self.skipped}

    def _take(self, data: Mapping[str, Any]) -> None:
        failures = {label: error_of(error) for label, error in data["failures"]}
        BuildFailed.__init__(self, failures, data["skipped"])

    def render(self) -> str:
        parts = [
            text if label in (text := error.render()).partition("\n")[0] else f"{label}: {text}"
            for label, error in self.failures.items()
        ]
        if self.skipped:
            more = "1 more action was" if self.skipped == 1 else f"{self.skipped} more actions were"
            parts.append(f"{more} not run because of this")
        return "\n".join(parts)


class SourceError(BuildError):
    """A source file is missing, unreadable or changed while it was being used."""


class ConflictError(BuildError):
    """Two layers of one root file system write one path differently."""


class FetchError(BuildError):
    """A download failed, or its content does not match what was declared."""


class ServerStalled(FetchError):
    """A server sent next to nothing for too long, and would again."""


class RegistryError(BuildError):
    """A registry refused a request, failed, could not be reached, or answered wrongly."""


class RemoteError(BuildError):
    """A remote cache or executor failed, could not be reached, or answered wrongly."""


class RemoteUnavailable(RemoteError):
    """A remote cache or executor cannot be reached, or gives no answer."""


class RemoteRefused(RemoteError):
    """A remote cache or executor does not allow what was asked for, and would not if asked again."""


class LockError(BuildError):
    """A lock file is missing, malformed, stale or cannot be made."""


class LayerError(BuildError):
    """A tar archive or package is malformed, hostile, or holds what a layer cannot hold."""


class ImageError(BuildError):
    """An image, its configuration or a document of it is malformed."""


class SandboxError(BuildError):
    """This machine cannot do what a sandbox needs."""


class NetworkUnavailable(SandboxError):
    """A command cannot have a network of its own here."""


class SecretError(BuildError):
    """A secret that a command needs was not given, or cannot be used."""


class SecretLeaked(BuildError):
    """A secret's value is in what a command made, or in what a target says. The value is never named."""


class StoreError(BuildError):
    """The store cannot be read or written."""


class MissingBlobError(StoreError):
    """A blob is missing from the store or does not match its digest, ``digest``."""

    details = ("digest",)

    def __init__(self, message: str, *, digest: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.digest = digest


class CommandFailed(HermesError):
    """A program that Hermes was asked to run exited with ``status``; no further message is shown."""

    details = ("status",)

    def __init__(self, status: int) -> None:
        super().__init__(f"the program ended with status {status}")
        self.status = status


class BuildInterrupted(HermesError):
    """The user stopped the build."""

    exit_status = 130

    def __init__(self) -> None:
        super().__init__("interrupted")
