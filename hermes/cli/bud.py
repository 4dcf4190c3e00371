"""``hermes bud``, also ``hermes build-using-dockerfile``."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final

import click

from hermes.api.dockerfiles import Dockerfiles
from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.dockerfile.options import PULL_ALWAYS, PULL_MISSING, PULLS, DockerfileOptions
from hermes.build.secrets import SecretSource
from hermes.build.ssh_agents import AgentSource
from hermes.cli import completion
from hermes.cli.bud_accepted import ALONE, accepted_options
from hermes.cli.bud_outputs import all_outputs, check_file, output_options, write_file, write_metadata
from hermes.cli.bud_projects import ProjectOptions, project_options
from hermes.cli.bud_projects import build as build_project
from hermes.cli.lines import print_beside
from hermes.cli.options import (
    build_arguments,
    cache_options,
    capability_options,
    format_option,
    pairs,
    progress_option,
    remote_options,
    runtime_option,
    secret_option,
    timestamp_option,
    volume_option,
)
from hermes.cli.progress import display
from hermes.cli.registry_access import access_options
from hermes.errors import CommandFailed, UsageError
from hermes.sandbox import capabilities

if TYPE_CHECKING:
    from hermes.container.mount_values import Bound
    from hermes.registry.settings import Access
    from hermes.remote.settings import RemoteChoice

_ALONE: Final = {**ALONE, "--layers": "--layers=true", "--pull": f"--pull={PULL_ALWAYS}"}
"""What options mean that have no value."""


class _Command(click.Command):
    """An option that may stand alone does not take the next word, so that docker's and buildah's work."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [_ALONE.get(one, one) for one in args])


@click.command("bud", cls=_Command)
@click.argument(
    "words",
    nargs=-1,
    metavar="[CONTEXT | SERVICE... | TARGET...]",
    shell_complete=completion.words_of_bud,
)
@click.option(
    "-f",
    "--file",
    "file",
    default="",
    metavar="FILE",
    shell_complete=completion.files,
    help="The Dockerfile; - reads standard input.",
)
@click.option(
    "-t",
    "--tag",
    "tags",
    multiple=True,
    metavar="NAME",
    shell_complete=completion.images,
    help="Give the image a name in the store.",
)
@click.option(
    "--target",
    default="",
    metavar="STAGE",
    shell_complete=completion.stages,
    help="Build this stage instead of the last.",
)
@click.option(
    "--build-arg",
    "arguments",
    multiple=True,
    metavar="NAME[=VALUE]",
    shell_complete=completion.build_args,
    help="Set an ARG.",
)
@click.option(
    "--build-context",
    "contexts",
    multiple=True,
    metavar="NAME=WHERE",
    help="Name a folder, oci:DIR, docker-image://NAME or a label for FROM and --from.",
)
@click.option(
    "--platform",
    default="",
    metavar="OS/ARCH,...",
    shell_complete=completion.platforms,
    help="Build for another platform, or for several, as an index.",
)
@click.option(
    "--pull",
    type=click.Choice(PULLS),
    default=PULL_MISSING,
    help="When to ask registries for images that FROM and --from name; alone it is always.",
)
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Add a label.")
@click.option(
    "--annotation", "annotations", multiple=True, metavar="NAME=VALUE", help="Annotate the manifest."
)
@click.option("--no-cache", is_flag=True, help="Run everything again.")
@click.option(
    "--no-cache-filter",
    "fresh_stages",
    multiple=True,
    metavar="STAGE,...",
    shell_complete=completion.stages,
    help="Run the instructions of these stages again.",
)
@click.option(
    "--env",
    "variables",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Set a variable of the image; without a value, to that of this environment.",
)
@click.option("--unsetenv", "unset", multiple=True, metavar="NAME", help="Take a variable out of the image.")
@click.option(
    "--network",
    type=click.Choice(["default", "host", "none"]),
    default="default",
    help="The network of RUN; without the option it is on.",
)
@click.option(
    "--layers",
    type=bool,
    default=True,
    metavar="BOOL",
    help="Keep a layer for each instruction; with --layers=false a stage is one on its base.",
)
@click.option("--squash", is_flag=True, help="Make all layers one, those of the base too.")
@output_options
@cache_options
@remote_options
@click.option("--ignorefile", default="", metavar="FILE", help="Use this instead of .dockerignore.")
@format_option
@click.option("-q", "--quiet", is_flag=True, help="Show nothing but the digest, errors and warnings.")
@progress_option
@click.option("-j", "--jobs", type=click.IntRange(1, 1024), metavar="N", help="Run N actions at once.")
@timestamp_option
@click.option("--check", is_flag=True, help="Only say what is wrong with the Dockerfile.")
@click.option(
    "--ssh",
    "agents",
    multiple=True,
    metavar="ID[=SOCKET|KEY,...]",
    help="Let RUN --mount=type=ssh use an SSH agent: default is that of SSH_AUTH_SOCK.",
)
@volume_option
@click.option(
    "--add-host",
    "hosts",
    multiple=True,
    metavar="NAME:IP",
    help="Add a line to the /etc/hosts that RUN sees.",
)
@capability_options
@accepted_options
@access_options
@secret_option
@runtime_option
@project_options
def command(
    words: tuple[str, ...],
    file: str,
    tags: tuple[str, ...],
    target: str,
    arguments: tuple[str, ...],
    contexts: tuple[str, ...],
    platform: str,
    pull: str,
    labels: tuple[str, ...],
    annotations: tuple[str, ...],
    no_cache: bool,
    fresh_stages: tuple[str, ...],
    variables: tuple[str, ...],
    unset: tuple[str, ...],
    network: str,
    layers: bool,
    squash: bool,
    destinations: tuple[str, ...],
    load: bool,
    push: bool,
    iidfile: str,
    metadata_file: str,
    cache_from: tuple[str, ...],
    cache_to: tuple[str, ...],
    remote: RemoteChoice | None,
    ignorefile: str,
    format_: str,
    quiet: bool,
    progress: str,
    jobs: int | None,
    timestamp: int | None,
    check: bool,
    agents: tuple[str, ...],
    volumes: tuple[str, ...],
    hosts: tuple[str, ...],
    added: tuple[str, ...],
    dropped: tuple[str, ...],
    secrets: tuple[str, ...],
    runtime: str,
    compose_files: tuple[str, ...],
    bake_files: tuple[str, ...],
    profiles: tuple[str, ...],
    project_name: str,
    env_files: tuple[str, ...],
    overrides: tuple[str, ...],
    only_print: bool,
    access: Access,
) -> None:
    """Build an image from a Dockerfile and the files of a CONTEXT; print the digest of its manifest.

    The CONTEXT is a folder, - (an archive or a Dockerfile on standard input), or the address of an archive or of a git
    repository: URL[#REF[:FOLDER]].

    RUN has the network unless --network none or RUN --network=none says otherwise.

    \b
    hermes bud -t app:latest .
    hermes bud -f deploy/Dockerfile --build-context base=oci:layouts/base -o oci-archive:app.tar .
    hermes bud --compose compose.yaml web worker
    hermes bud --bake docker-bake.hcl --set '*.platform=linux/arm64'
    """
    started = time.monotonic()
    project = ProjectOptions(
        compose_files, bake_files, project_name, profiles, env_files, overrides, only_print
    )
    project.check()
    if len(words) > 1 and not project.is_asked:
        raise UsageError(
            f"one context is enough, not {len(words)}: {' '.join(words)}",
            hint="services and targets go with --compose FILE and --bake FILE",
        )
    check_file("--iidfile", iidfile)
    check_file("--metadata-file", metadata_file)
    destinations = all_outputs(destinations, load=load, push=push)
    options = DockerfileOptions(
        context=words[0] if words and not project.is_asked else ".",
        file="" if file == "-" else file,
        text=sys.stdin.buffer.read().decode("utf-8", "surrogateescape") if file == "-" else None,
        tags=tags,
        target=target,
        arguments=build_arguments(arguments),
        contexts=pairs("--build-context", contexts),
        platform=platform,
        pull=pull,
        labels=pairs("--label", labels),
        annotations=pairs("--annotation", annotations),
        use_cache=not no_cache,
        fresh_stages=[name for text in fresh_stages for name in text.split(",") if name],
        env=_variables(variables),
        unset_env=unset,
        network=network,
        secrets=tuple(map(SecretSource.parse, secrets)),
        agents=tuple(map(AgentSource.parse, agents)),
        volumes=_volumes(volumes),
        hosts=_hosts(hosts),
        capabilities=capabilities.chosen(added, dropped),
        layers=layers,
        squash=squash,
        destinations=destinations,
        cache_from=cache_from,
        cache_to=cache_to,
        remote=remote,
        access=access,
        ignore_file=ignorefile,
        format=format_,
        jobs=jobs,
        seconds=timestamp,
        runtime=runtime,
    )
    if project.is_asked:
        if iidfile:
            raise UsageError("--iidfile is for one image", hint="--metadata-file FILE has the digests of all")
        project_built = build_project(project, words, options, quiet=quiet, progress=progress)
        if metadata_file and project_built:
            write_metadata(metadata_file, project_built)
        return
    if check:
        if Dockerfiles().check(options, click.echo):
            raise CommandFailed(1)
        return
    dockerfile = options.file or os.path.join(options.context, "Dockerfile")
    with display(quiet=quiet, progress=progress, dockerfile=dockerfile) as screen:
        built = Dockerfiles(subscribers=[screen.event], say=screen.say).build(options)
        screen.summary(_summary(built, time.monotonic() - started))
    if iidfile:
        write_file("--iidfile", iidfile, built.digest)
    if metadata_file:
        write_metadata(metadata_file, {"": built})
    print_beside(built.digest, destinations)


def _variables(texts: tuple[str, ...]) -> dict[str, str]:
    if not texts:
        return {}
    from hermes.api.run_options import variable

    return dict(variable(one, os.environ) for one in texts)


def _volumes(texts: tuple[str, ...]) -> tuple[Bound, ...]:
    if not texts:
        return ()
    from hermes.api.run_options import volume

    return tuple(map(volume, texts))


def _hosts(texts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    if not texts:
        return ()
    from hermes.api.run_options import host

    return tuple(map(host, texts))


def _summary(built: BuiltDockerfile, seconds: float) -> str:
    lines = dict.fromkeys(place for _, place in built.executed)
    did = "nothing to do" if not lines else f"built {len(lines)} line{'s' if len(lines) != 1 else ''}"
    return f"{did}, {built.cached} action{'s' if built.cached != 1 else ''} cached, {seconds:.2f}s"
