"""``hermes s2i rebuild``."""

from __future__ import annotations

import time
from dataclasses import replace

import click

from hermes.cli import completion
from hermes.cli.lines import write_line
from hermes.cli.options import progress_option, runtime_option
from hermes.cli.s2i_build import absolute, accepted_options, built_image, pull_option, pull_policy


@click.command("rebuild")
@click.argument("image", metavar="IMAGE", shell_complete=completion.images)
@click.argument("tag", default="", metavar="[TAG]", shell_complete=completion.images)
@click.option("-d", "--destination", default="", metavar="PATH", help="Where the source and scripts are put.")
@click.option("--incremental", is_flag=True, help="Use what save-artifacts gives of the image TAG again.")
@pull_option("--incremental-pull-policy", what="the image TAG of the last build")
@pull_option("-p", "--pull-policy", what="IMAGE and its builder")
@click.option("-q", "--quiet", is_flag=True, help="Show nothing but the digest, errors and warnings.")
@click.option(
    "--callback-url",
    default="",
    metavar="URL",
    help="POST there whether the build succeeded, and its labels.",
)
@progress_option
@runtime_option
@accepted_options
def rebuild(
    image: str,
    tag: str,
    destination: str,
    incremental: bool,
    incremental_pull_policy: str,
    pull_policy_: str,
    quiet: bool,
    callback_url: str,
    progress: str,
    runtime: str,
) -> None:
    """Build the image of an application again: what its labels name as its builder and source, as they are now.

    The image is called TAG, or IMAGE again. What a build was asked for besides, such as --env, is in no label.

    \b
    hermes s2i rebuild app:latest
    hermes s2i rebuild registry.example.org/team/app:v1 app:v2
    """
    from hermes.api.s2i import SourceToImage

    started = time.monotonic()
    pull = pull_policy(pull_policy_)
    options = replace(
        SourceToImage(say=write_line).options_of(image, pull),
        destination=absolute(destination),
        incremental=incremental,
        incremental_pull=pull_policy(incremental_pull_policy),
        pull=pull,
        runtime=runtime,
        callback_url=callback_url,
    )
    built_image(replace(options, tag=tag or options.tag), started, quiet=quiet, progress=progress)
