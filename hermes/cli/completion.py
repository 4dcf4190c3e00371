"""``hermes completion``, and what is completed besides commands and options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from hermes.errors import HermesError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SHELLS = ("bash", "zsh", "fish")

_BASH: Final = r"""
_hermes_completion() {
    local IFS=$'\n' line=$COMP_LINE completion part prefix response rest type value words=()

    # Readline takes colons and equal signs for words; what no space divides is one word again.
    for part in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        rest=${line#"${line%%[![:space:]]*}"}
        if [[ ${#words[@]} -gt 0 && $rest == "$line" ]]; then
            words[-1]+=$part
        else
            words+=("$part")
        fi
        line=${rest#"$part"}
    done
    prefix=${words[-1]}
    [[ -n ${part//[$COMP_WORDBREAKS]/} ]] && prefix=${prefix%"$part"}

    response=$(COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) _HERMES_COMPLETE=bash_complete "$1")

    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        if [[ $type == dir ]]; then
            compopt -o dirnames
        elif [[ $type == file ]]; then
            compopt -o default
        elif [[ $type == plain ]]; then
            if [[ $value == *: || ($value == //* && $value != *:*) ]]; then
                compopt -o nospace
            fi
            COMPREPLY+=("${value#"$prefix"}")
        fi
    done
}

complete -o nosort -F _hermes_completion hermes
"""
"""Click's own script does not know that Readline splits labels and names of images at their colons."""


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

    hermes = click.get_current_context().find_root().command
    found = get_completion_class(shell)
    assert found is not None
    source = found(hermes, {}, "hermes", "_HERMES_COMPLETE").source()
    click.echo(_BASH if shell == "bash" else source)


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
    from hermes.transports.table import TABLE

    begun = [
        CompletionItem(f"{row.name}:", help=row.help)
        for row in TABLE
        if row.reader and incomplete and row.name.startswith(incomplete)
    ]
    return [*images(ctx, param, incomplete), *begun]


def destinations(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a transport that images can be written to."""
    from click.shell_completion import CompletionItem

    from hermes.transports.table import TABLE

    return [
        CompletionItem(f"{row.name}:", help=row.help)
        for row in TABLE
        if row.writer and row.name.startswith(incomplete)
    ]


def labels(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a package, or a target of a package once there is a colon."""
    from click.shell_completion import CompletionItem

    from hermes.api.workspace import Workspace
    from hermes.build.options import BuildOptions

    package, colon, _ = incomplete.partition(":")
    try:
        workspace = Workspace()
        pattern = f"{package}:all" if colon else "//..."
        parts = [str(one).partition(":") for one in workspace.query(pattern, BuildOptions())]
    except HermesError:
        return []
    found = sorted({f"{package}:{name}" if colon else its_package for its_package, _, name in parts})
    return [CompletionItem(one) for one in found if one.startswith(incomplete)]
