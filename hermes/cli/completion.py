"""``hermes completion``, and what is completed besides commands and options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hermes.errors import HermesError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print what makes a shell complete commands, options, labels and names of containers and images.

    \b
    eval "$(hermes completion bash)"                                   # in ~/.bashrc
    eval "$(hermes completion zsh)"                                    # in ~/.zshrc
    hermes completion fish > ~/.config/fish/completions/hermes.fish
    """
    from click.shell_completion import get_completion_class

    from hermes.cli.main import hermes

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(hermes, {}, "hermes", "_HERMES_COMPLETE").source())


def containers(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a working container."""
    from click.shell_completion import CompletionItem

    from hermes.container.state import States
    from hermes.store import Store

    try:
        found = list(States(Store.open()))
    except HermesError:
        return []
    return [CompletionItem(one.name, help=one.image) for one in found if one.name.startswith(incomplete)]


def images(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of an image of the store."""
    from click.shell_completion import CompletionItem

    from hermes.image.names import ImageNames
    from hermes.store import Store

    try:
        found = [(str(name), one.digest.short) for name, one in ImageNames(Store.open())]
    except HermesError:
        return []
    return [CompletionItem(name, help=digest) for name, digest in found if name.startswith(incomplete)]


def bases(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete what an image can be named by: a target's label, a name, a transport."""
    from click.shell_completion import CompletionItem

    if incomplete.startswith(("/", ":")):
        return labels(ctx, param, incomplete)
    from hermes.registry.prefixes import TRANSPORTS

    begun = [CompletionItem(f"{one}:") for one in TRANSPORTS if incomplete and one.startswith(incomplete)]
    return [*images(ctx, param, incomplete), *begun]


def labels(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a package, or a target of a package once there is a colon."""
    from click.shell_completion import CompletionItem

    from hermes.api.workspace import BuildOptions, Workspace

    package, colon, _ = incomplete.partition(":")
    try:
        workspace = Workspace()
        pattern = f"{package}:all" if colon else "//..."
        found = sorted(map(str, workspace.query(pattern, BuildOptions())))
    except HermesError:
        return []
    if not colon:
        found = sorted({one.partition(":")[0] for one in found})
    return [CompletionItem(one) for one in found if one.startswith(incomplete)]
