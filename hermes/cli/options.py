"""Options that several commands have, and what they come to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

import click

from hermes.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

PROGRAM: Final = {"allow_interspersed_args": False}
"""Settings of commands that run a program: options end at the first operand, and what follows is the program's."""


def patterns_or_here(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the patterns of a command, or of what it is given none for: all of the package of the current folder.

    Raises `UsageError` when that is not a package.
    """
    if patterns:
        return patterns
    from hermes.workspace.listing import BUILD_FILES

    if not any(os.path.isfile(name) for name in BUILD_FILES):
        raise UsageError(
            "no PATTERN is given, and the current folder is not a package",
            hint="give a label such as //app:image, or //... for all targets",
        )
    return (":all",)


def arguments_of(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return a program's arguments; one ``--`` in front of them may say where they begin."""
    return words[1:] if words[:1] == ("--",) else words


def transports_in_help(function: F) -> F:
    """Put a list of the transports in place of ``{origins}`` and ``{destinations}`` in a command's help."""
    from hermes.transports.table import TABLE

    width = max(len(row.form) for row in TABLE)
    text = function.__doc__ or ""
    for place, rows in (
        ("{origins}", [row for row in TABLE if row.reader]),
        ("{destinations}", [row for row in TABLE if row.writer]),
    ):
        listed = (f"    {row.form:{width}}  {row.help}" for row in rows)
        text = text.replace(place, "\n".join(("\b", *listed)).lstrip())
    function.__doc__ = text
    return function


def output_option(function: F) -> F:
    """Add where else images are written to."""
    from hermes.cli import completion
    from hermes.transports.table import TABLE

    return click.option(
        "-o",
        "--output",
        "destinations",
        multiple=True,
        metavar="TRANSPORT",
        shell_complete=completion.destinations,
        help=f"Write the image to {TABLE[0].form} or another TRANSPORT: see `hermes copy --help`.",
    )(function)


def cache_options(function: F) -> F:
    """Add which caches of other machines are read and written; see `hermes.naming.caches`."""
    for option in (
        click.option(
            "--cache-to",
            "cache_to",
            multiple=True,
            metavar="type=registry,ref=NAME",
            help="Write results and layers there for other machines; mode=max writes those of all stages.",
        ),
        click.option(
            "--cache-from",
            "cache_from",
            multiple=True,
            metavar="type=registry,ref=NAME",
            help="Take results from there that this machine does not have; or type=local,src=DIR.",
        ),
    ):
        function = option(function)
    return function


_REMOTE: Final = (
    *("executor", "cache", "instance", "headers", "jobs", "timeout"),
    *("queue_timeout", "upload", "download", "local_fallback", "verify"),
    *("credential_helper", "tls_ca", "tls_cert", "tls_key"),
)
"""The fields of `hermes.remote.settings.RemoteChoice`, each of which has an option."""


class Line(click.types.StringParamType):
    """A text that has spaces also where it comes from the environment, which gives one in each line."""

    envvar_list_splitter: ClassVar[str] = "\n"


def remote_options(function: F) -> F:
    """Add who executes actions besides this machine, as one argument ``remote``; see `hermes.remote.settings`."""

    @wraps(function)
    def collected(*arguments: Any, **others: Any) -> Any:
        said = {name: others.pop(f"remote_{name}") for name in _REMOTE}
        said["headers"] = said["headers"] or None
        remote = None
        if any(one is not None for one in said.values()):
            from hermes.remote.settings import RemoteChoice

            remote = RemoteChoice(**{name: one for name, one in said.items() if one is not None})
        return function(*arguments, remote=remote, **others)

    made: Any = collected
    for option in (
        click.option(
            "--remote-tls-key",
            type=click.Path(path_type=Path),
            envvar="HERMES_REMOTE_TLS_KEY",
            help="The key of that certificate, in PEM.",
        ),
        click.option(
            "--remote-tls-cert",
            type=click.Path(path_type=Path),
            envvar="HERMES_REMOTE_TLS_CERT",
            help="This machine's certificate for the services, in PEM.",
        ),
        click.option(
            "--remote-tls-ca",
            type=click.Path(path_type=Path),
            envvar="HERMES_REMOTE_TLS_CA",
            help="The certificate authority of the services, in PEM.",
        ),
        click.option(
            "--credential-helper",
            "remote_credential_helper",
            envvar="HERMES_REMOTE_CREDENTIAL_HELPER",
            metavar="PROGRAM",
            help="Have a program give headers for each call, as Bazel does.",
        ),
        click.option(
            "--remote-verify",
            type=click.IntRange(0, 100),
            envvar="HERMES_REMOTE_VERIFY",
            metavar="PERCENT",
            help="Make some of the results of services here again, and say which differ.",
        ),
        click.option(
            "--remote-download",
            type=click.Choice(["minimal", "toplevel", "all"]),
            envvar="HERMES_REMOTE_DOWNLOAD",
            help="Fetch what something here reads, what targets give as well (the default), or everything.",
        ),
        click.option(
            "--remote-local-fallback/--no-remote-local-fallback",
            default=None,
            envvar="HERMES_REMOTE_LOCAL_FALLBACK",
            help="Execute here what the executor cannot (the default).",
        ),
        click.option(
            "--remote-timeout",
            type=click.IntRange(1, 3600),
            envvar="HERMES_REMOTE_TIMEOUT",
            metavar="SECONDS",
            help="After how long without an answer the executor counts as unavailable (60).",
        ),
        click.option(
            "--remote-queue-timeout",
            type=click.IntRange(0, 1 << 16),
            envvar="HERMES_REMOTE_QUEUE_TIMEOUT",
            metavar="SECONDS",
            help="How long an action waits for a worker that takes it (0: without end).",
        ),
        click.option(
            "--remote-jobs",
            type=click.IntRange(1, 4096),
            envvar="HERMES_REMOTE_JOBS",
            metavar="N",
            help="Have N actions executed at once by the executor (32).",
        ),
        click.option(
            "--remote-header",
            "remote_headers",
            multiple=True,
            type=Line(),
            envvar="HERMES_REMOTE_HEADER",
            metavar="NAME=VALUE",
            help="Send a header with each call, such as authorization.",
        ),
        click.option(
            "--remote-instance",
            envvar="HERMES_REMOTE_INSTANCE",
            metavar="NAME",
            help="The instance of the executor.",
        ),
        click.option(
            "--remote-executor",
            envvar="HERMES_REMOTE_EXECUTOR",
            metavar="URL",
            help="Have actions executed by a service of the Remote Execution API: grpc://, grpcs:// or unix:.",
        ),
        click.option(
            "--remote-upload/--no-remote-upload",
            default=None,
            envvar="HERMES_REMOTE_UPLOAD",
            help="Send results to the cache (the default).",
        ),
        click.option(
            "--remote-cache",
            envvar="HERMES_REMOTE_CACHE",
            metavar="URL",
            help="Share results by a service of the Remote Execution API: grpc://, grpcs:// or unix:.",
        ),
    ):
        made = option(made)
    found: F = made
    return found


def image_platform_option(function: F) -> F:
    """Add which image of an index is meant."""
    from hermes.cli import completion

    return click.option(
        "--platform",
        default="",
        metavar="OS/ARCH",
        shell_complete=completion.platforms,
        help="Which image of an index.",
    )(function)


all_platforms_option = click.option(
    "--all-platforms", "whole", is_flag=True, help="Take an index with all its images."
)
timestamp_option = click.option(
    "--timestamp",
    type=click.IntRange(0, (1 << 33) - 1),
    metavar="SECONDS",
    help="The time of everything in the image: seconds since 1970.",
)
format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["oci", "docker"]),
    default="oci",
    show_default=True,
    help="The image's format.",
)


def digest_file_option(function: F) -> F:
    """Add a file that gets the digest of the image; see `hermes.cli.bud_outputs.write_file`."""
    from hermes.cli import completion

    return click.option(
        "--iidfile",
        default="",
        metavar="FILE",
        shell_complete=completion.files,
        help="Write the digest of the image to a file.",
    )(function)


def process_options(function: F) -> F:
    """Add what a program is started with: variables, user, folder and host name."""
    for option in (
        click.option("--hostname", default="", metavar="NAME", help="The host name it sees."),
        click.option(
            "-w", "--workdir", default="", metavar="PATH", help="Start in another folder than the image says."
        ),
        click.option(
            "-u",
            "--user",
            default="",
            metavar="USER[:GROUP]",
            help="Run as another user than the image says.",
        ),
        click.option(
            "-e",
            "--env",
            "variables",
            multiple=True,
            metavar="NAME[=VALUE]",
            help="Set a variable; without a value, to that of this environment.",
        ),
    ):
        function = option(function)
    return function


def progress_option(function: F) -> F:
    """Add how a build is shown."""
    from hermes.cli.progress import PROGRESS

    return click.option(
        "--progress",
        type=click.Choice(PROGRESS),
        default="auto",
        help="How to show what goes on: live on a terminal, else plain lines with what commands print.",
    )(function)


def secret_option(function: F) -> F:
    """Add what says where secrets come from."""
    return click.option(
        "--secret",
        "secrets",
        multiple=True,
        metavar="id=ID,src=FILE",
        help="Give commands a secret from a file, or with id=ID,env=VARIABLE from the environment.",
    )(function)


def capability_options(function: F) -> F:
    """Add what says which capabilities root has in commands that build."""
    for option in (
        click.option(
            "--cap-drop", "dropped", multiple=True, metavar="CAP", help="Take a capability away, or all."
        ),
        click.option(
            "--cap-add",
            "added",
            multiple=True,
            metavar="CAP",
            help="Give root in commands a capability, or all.",
        ),
    ):
        function = option(function)
    return function


def volume_option(function: F) -> F:
    """Add what mounts something of this machine for commands that build."""
    return click.option(
        "-v",
        "--volume",
        "volumes",
        multiple=True,
        metavar="HOST:CTR[:ro]",
        help="Mount a file or folder of this machine for commands; its content does not become part of the image.",
    )(function)


def runtime_option(function: F) -> F:
    """Add what says by which runtime commands are run."""
    from hermes.cli import completion

    return click.option(
        "--runtime",
        default="",
        metavar="NAME",
        shell_complete=completion.runtimes,
        help="Run commands by bwrap (the default), crun or runc; what comes out is the same.",
    )(function)


def compression_options(function: F) -> F:
    """Add what says how an image that is written has its layers compressed; see `hermes.layer.compress.Compression`."""
    for option in (
        click.option(
            "--compression-level",
            "level",
            type=int,
            metavar="N",
            help="How hard: 1 to 22 for zstd, 1 to 12 for gzip; those that are compressed this way too.",
        ),
        click.option(
            "--compression",
            type=click.Choice(["gzip", "zstd"]),
            help="Compress the layers this way that are not; they stay as they are otherwise.",
        ),
    ):
        function = option(function)
    return function


nondistributable_option = click.option(
    "--keep-nondistributable",
    is_flag=True,
    help="Take an image that has layers which may not be distributed, without their bytes.",
)
"""What is to become of such layers; see `hermes.transports.taking.import_image`."""


def build_arguments(texts: Iterable[str]) -> dict[str, str]:
    """Return build arguments; one without a value has that of the variable of its name, if there is one."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name:
            raise UsageError(f"--build-arg: expected NAME=VALUE, got {text!r}")
        if equals:
            found[name] = value
        elif name in os.environ:
            found[name] = os.environ[name]
    return found


def pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Return what an option that is given as NAME=VALUE says; raises `UsageError`."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{option}: expected NAME=VALUE, got {text!r}")
        found[name] = value
    return found
