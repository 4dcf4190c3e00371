"""``hermes s2i build``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.dockerfile.options import PULL_ALWAYS, PULL_MISSING, PULL_NEVER
from hermes.build.s2i.options import EXCLUDED, S2IOptions
from hermes.cli import completion
from hermes.cli.lines import write_line
from hermes.cli.options import progress_option, runtime_option, timestamp_option, volume_option
from hermes.cli.progress import display
from hermes.errors import CommandFailed, UsageError

if TYPE_CHECKING:
    from hermes.container.mount_values import Bound

F = TypeVar("F", bound=Callable[..., Any])

_PULLS: Final = {
    "always": PULL_ALWAYS,
    "if-not-present": PULL_MISSING,
    "never": PULL_NEVER,
}


def pull_option(*names: str, what: str) -> Callable[[F], F]:
    """Return an option that says when an image is asked for."""
    return click.option(
        *names,
        *(["pull_policy_"] if "--pull-policy" in names else []),
        type=click.Choice(list(_PULLS)),
        default="if-not-present",
        show_default=True,
        help=f"When to ask registries for {what}.",
    )


def pull_policy(text: str) -> str:
    """Return what a policy of s2i is called elsewhere in Hermes."""
    return _PULLS[text]


def _no_engine(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None and not ctx.resilient_parsing:
        raise UsageError(
            "--url: Hermes builds without a container engine and its socket", hint="leave out -U and --url"
        )


def accepted_options(function: F) -> F:
    """Add options of s2i that ask for what is so anyway."""
    for names, text in (
        (("--rm",), "Nothing: an image without a name is removed by `hermes cache gc`."),
        (
            ("--save-temp-dir",),
            "Nothing: there is no such folder; --as-dockerfile writes what is put into the builder.",
        ),
        (("--keep-symlinks",), "Nothing: links stay links."),
    ):
        function = click.option(*names, is_flag=True, expose_value=False, help=text)(function)
    for name, text in (
        ("--loglevel", "Nothing: see --progress and --quiet."),
        (
            "--dockercfg-path",
            "Nothing: credentials are looked for where docker, podman and skopeo have them.",
        ),
    ):
        function = click.option(name, expose_value=False, metavar="VALUE", help=text)(function)
    return click.option("-U", "--url", hidden=True, expose_value=False, callback=_no_engine)(function)


def _not_kept(_: click.Context, __: click.Parameter, asked: bool) -> None:
    if asked:
        raise UsageError(
            "--use-config: options are not kept in a file .s2ifile",
            hint="declare an s2i_image in a BUILD file: hermes build //app:image",
        )


@click.command("build")
@click.argument("source", metavar="SOURCE", shell_complete=completion.files)
@click.argument("builder", metavar="BUILDER", shell_complete=completion.bases)
@click.argument("tag", default="", metavar="[TAG]", shell_complete=completion.images)
@click.option(
    "-u", "--allowed-uids", default="", metavar="RANGES", help="Users that images may have, as 1- or 1-1000."
)
@click.option(
    "-n", "--application-name", default="", metavar="NAME", help="The label io.k8s.display-name; else TAG."
)
@click.option("--assemble-user", default="", metavar="USER", help="Who runs assemble.")
@click.option("--assemble-runtime-user", default="", metavar="USER", help="Who runs assemble-runtime.")
@click.option(
    "--cap-drop", "dropped", multiple=True, metavar="CAP,...", help="Take capabilities away, or all."
)
@click.option(
    "--context-dir", default="", metavar="FOLDER", help="The folder of SOURCE that the application is in."
)
@click.option("-c", "--copy", is_flag=True, help="Take a folder as it is, though it is a git repository.")
@click.option(
    "--as-dockerfile",
    default="",
    metavar="FILE",
    shell_complete=completion.files,
    help="Write a Dockerfile instead, and what it copies into the folder upload beside it.",
)
@click.option("--description", default="", metavar="TEXT", help="The label io.k8s.description.")
@click.option(
    "-d",
    "--destination",
    "-l",
    "--location",
    "destination",
    default="",
    metavar="PATH",
    help="Where source, scripts and artifacts are put in the builder.",
)
@click.option("-e", "--env", "variables", multiple=True, metavar="NAME=VALUE", help="Set a variable.")
@click.option(
    "-E",
    "--environment-file",
    "environment_files",
    multiple=True,
    metavar="FILE",
    shell_complete=completion.files,
    help="Set the variables of a file.",
)
@click.option(
    "--exclude",
    default=EXCLUDED,
    metavar="REGEX",
    help="Leave out files of SOURCE; .git if not said, none if empty.",
)
@click.option("--ignore-submodules", is_flag=True, help="Fetch no submodules of a repository.")
@click.option("--incremental", is_flag=True, help="Use what save-artifacts gives of the image TAG again.")
@pull_option("--incremental-pull-policy", what="the image TAG of the last build")
@click.option(
    "-i",
    "--inject",
    multiple=True,
    metavar="FOLDER:PATH",
    help="Let assemble see files that the image does not get.",
)
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Add a label.")
@click.option(
    "--network",
    type=click.Choice(["default", "host", "none"]),
    default="none",
    show_default=True,
    help="The network of the scripts.",
)
@pull_option("-p", "--pull-policy", what="BUILDER")
@click.option("-q", "--quiet", is_flag=True, help="Show nothing but the digest, errors and warnings.")
@click.option("-r", "--ref", default="", metavar="REF", help="The branch, tag or commit of a repository.")
@click.option(
    "-a",
    "--runtime-artifact",
    "artifacts",
    multiple=True,
    metavar="PATH[:FOLDER]",
    help="Copy a file or folder of the builder into the runtime image.",
)
@click.option("--run", "runs", is_flag=True, help="Run the image afterwards.")
@click.option(
    "--runtime-image", default="", metavar="IMAGE", help="What the image is built on instead of BUILDER."
)
@pull_option("--runtime-pull-policy", what="the runtime image")
@click.option(
    "-s",
    "--scripts-url",
    "--scripts",
    "scripts_url",
    default="",
    metavar="URL",
    help="Where scripts are: image:///path, file://folder, https://...",
)
@click.option(
    "--add-host", "hosts", multiple=True, metavar="NAME:IP", help="Add a line to /etc/hosts of the scripts."
)
@volume_option
@click.option(
    "--platform",
    default="",
    metavar="OS/ARCH",
    shell_complete=completion.platforms,
    help="Build for another platform.",
)
@click.option("--no-cache", is_flag=True, help="Run everything again.")
@click.option("-j", "--jobs", type=click.IntRange(1, 1024), metavar="N", help="Run N actions at once.")
@timestamp_option
@progress_option
@runtime_option
@accepted_options
@click.option("--use-config", is_flag=True, expose_value=False, callback=_not_kept, hidden=True)
@click.option(
    "--callback-url",
    default="",
    metavar="URL",
    help="POST there whether the build succeeded, and its labels.",
)
def build(
    source: str,
    builder: str,
    tag: str,
    allowed_uids: str,
    application_name: str,
    assemble_user: str,
    assemble_runtime_user: str,
    dropped: tuple[str, ...],
    context_dir: str,
    copy: bool,
    as_dockerfile: str,
    description: str,
    destination: str,
    variables: tuple[str, ...],
    environment_files: tuple[str, ...],
    exclude: str,
    ignore_submodules: bool,
    incremental: bool,
    incremental_pull_policy: str,
    inject: tuple[str, ...],
    labels: tuple[str, ...],
    network: str,
    pull_policy_: str,
    quiet: bool,
    ref: str,
    artifacts: tuple[str, ...],
    runs: bool,
    runtime_image: str,
    runtime_pull_policy: str,
    scripts_url: str,
    hosts: tuple[str, ...],
    volumes: tuple[str, ...],
    platform: str,
    no_cache: bool,
    jobs: int | None,
    timestamp: int | None,
    progress: str,
    runtime: str,
    callback_url: str,
) -> None:
    """Build an image of the application in SOURCE with the scripts of the image BUILDER; print the digest of its manifest.

    SOURCE is a folder or the address of a git repository; of a folder that is a repository the commit counts that is
    checked out, unless --copy is said. The image is called TAG in the store.

    \b
    hermes s2i build . python-builder app:latest
    hermes s2i build --ref v1.2 --context-dir api https://git.example.org/team/app.git python-builder app:v1.2
    hermes s2i build --runtime-image base --runtime-artifact /srv/app . go-builder app:latest
    """
    from hermes.api.s2i import SourceToImage
    from hermes.cli.options import pairs
    from hermes.s2i.artifacts import mappings
    from hermes.s2i.users import ranges
    from hermes.sandbox import capabilities

    if as_dockerfile and (runs or runtime_image):
        other = "--run" if runs else "--runtime-image"
        raise UsageError(f"{other} cannot be used with --as-dockerfile", hint="keep one of them")
    started = time.monotonic()
    options = S2IOptions(
        source=source,
        builder=builder,
        tag=tag,
        ref=ref,
        context_dir=context_dir,
        copy=copy,
        submodules=not ignore_submodules,
        exclude=exclude,
        environment=environment_of(environment_files, variables),
        scripts_url=scripts_url,
        destination=absolute(destination),
        assemble_user=assemble_user,
        assemble_runtime_user=assemble_runtime_user,
        allowed=tuple(ranges(allowed_uids)) if allowed_uids else (),
        name=application_name,
        description=description,
        labels=pairs("--label", labels),
        inject=[pair for text in inject for pair in _injections(text)],
        incremental=incremental,
        runtime_image=runtime_image,
        runtime_artifacts=[one for text in artifacts for one in mappings(text, of="--runtime-artifact")],
        pull=_PULLS[pull_policy_],
        incremental_pull=_PULLS[incremental_pull_policy],
        runtime_pull=_PULLS[runtime_pull_policy],
        network=network,
        volumes=tuple(_volumes(volumes)),
        hosts=tuple(_hosts(hosts)),
        capabilities=capabilities.chosen((), [one for text in dropped for one in text.split(",")]),
        platform=platform,
        use_cache=not no_cache,
        jobs=jobs,
        seconds=timestamp,
        runtime=runtime,
        callback_url=callback_url,
    )
    if as_dockerfile:
        path = os.path.join(as_dockerfile, "Dockerfile") if as_dockerfile.endswith("/") else as_dockerfile
        SourceToImage(say=write_line).write_dockerfile(options, path)
        if not quiet:
            write_line(f"wrote {path}")
        return
    built = built_image(options, started, quiet=quiet, progress=progress)
    if runs and (status := SourceToImage(say=write_line).run(built)):
        raise CommandFailed(status)


def built_image(options: S2IOptions, started: float, *, quiet: bool, progress: str) -> BuiltDockerfile:
    """Build, and print the digest; ``started`` is the monotonic time at which the command began."""
    from hermes.api.s2i import SourceToImage

    with display(quiet=quiet, progress=progress) as screen:
        built = SourceToImage(subscribers=[screen.event], say=screen.say).build(options)
        screen.summary(_summary(built, time.monotonic() - started))
    click.echo(built.digest)
    return built


def environment_of(files: Sequence[str], variables: Sequence[str]) -> list[tuple[str, str]]:
    """Return the variables of files, and then those that are given; raises `UsageError`."""
    found: list[tuple[str, str]] = []
    for path in files:
        from hermes.s2i.source import variables as lines

        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                text = file.read()
        except OSError as error:
            raise UsageError(f"--environment-file {path}: {error.strerror}") from None
        found += lines(text, of=path, warn=lambda text: write_line(f"warning: {text}"))
    for text in variables:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--env: expected NAME=VALUE, got {text!r}")
        found.append((name.strip(), value.strip()))
    return found


def _volumes(texts: Sequence[str]) -> Iterator[Bound]:
    for text in texts:
        from hermes.api.run_options import volume

        yield volume(text)


def _hosts(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        from hermes.api.run_options import host

        yield host(text)


def _injections(text: str) -> list[tuple[str, str]]:
    """Return what ``FOLDER:PATH;...`` means; without a path it is the working folder of the builder."""
    found = []
    for one in text.split(";"):
        folder, colon, path = one.rpartition(":")
        folder, path = (folder, path) if colon else (one, "")
        place = os.path.abspath(os.path.expanduser(folder.strip("\"' ")))
        if not os.path.isdir(place):
            raise UsageError(
                f"--inject {one}: {place} is not a folder of this machine", hint="write it as FOLDER:PATH"
            )
        found.append((place, path.strip("\"' ")))
    return found


def absolute(path: str) -> str:
    """Return the path that ``--destination`` names without a slash at its end; raises `UsageError`."""
    if path and not path.startswith("/"):
        raise UsageError(f"--destination {path}: must be an absolute path in the image")
    return path.rstrip("/")


def _summary(built: BuiltDockerfile, seconds: float) -> str:
    count = len({step for _, step in built.executed})
    did = "nothing to do" if not count else f"did {count} step{'s' if count != 1 else ''}"
    return f"{did}, {built.cached} action{'s' if built.cached != 1 else ''} cached, {seconds:.2f}s"
