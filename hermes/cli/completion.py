"""``hermes completion``, and what is completed besides commands and options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from hermes.errors import HermesError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from click.shell_completion import CompletionItem

SHELLS = ("bash", "zsh", "fish")
RUNTIMES: Final = ("bwrap", "crun", "runc")
PLATFORMS: Final = (
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/386",
    "linux/ppc64le",
    "linux/riscv64",
    "linux/s390x",
)
"""What images are usually built for; others can be named."""

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
            if [[ $value == *[:/=] ]]; then
                compopt -o nospace
            fi
            COMPREPLY+=("${value#"$prefix"}")
        fi
    done
}

complete -o nosort -F _hermes_completion hermes
"""
"""Click's own script does not know that Readline splits labels and names of images at their colons."""
_ZSH: Final = r"""#compdef hermes
_hermes_completion() {
    local -a rows whole begun whole_help begun_help
    local kind value help shown
    (( ! $+commands[hermes] && ! $+functions[hermes] )) && return 1

    rows=("${(@f)$(COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) _HERMES_COMPLETE=zsh_complete hermes)}")

    for kind value help in $rows; do
        if [[ $kind == dir ]]; then
            _path_files -/
        elif [[ $kind == file ]]; then
            _path_files -f
        elif [[ $kind == plain ]]; then
            shown=$value
            if [[ $help != _ ]]; then
                value=${value//\\:/:}
                shown="$value -- $help"
            fi
            if [[ $value == *[:/=] ]]; then
                begun+=("$value")
                begun_help+=("$shown")
            else
                whole+=("$value")
                whole_help+=("$shown")
            fi
        fi
    done

    (( $#whole )) && compadd -U -V hermes -d whole_help -a whole
    (( $#begun )) && compadd -U -V hermes -S '' -d begun_help -a begun
    return 0
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _hermes_completion "$@"
else
    compdef _hermes_completion hermes
fi
"""
"""Click's own script puts a space behind what goes on: a package, a transport, a variable's name."""


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
    click.echo({"bash": _BASH, "zsh": _ZSH}.get(shell, source))


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
    """Complete a package, a folder at a time, or a target of a package once there is a colon."""
    from click.shell_completion import CompletionItem

    from hermes.api.labels import labels_from
    from hermes.store.location import default_home

    return [CompletionItem(one) for one in labels_from(incomplete, default_home())]


def platforms(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a platform, also after others and a comma."""
    return _listed(PLATFORMS, incomplete)


def runtimes(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a runtime."""
    return _begun(RUNTIMES, incomplete)


def files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a file."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def folders(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a folder."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="dir")]


def stages(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a stage of the Dockerfile that the command line names so far."""
    from hermes.api.names import stages_of

    return _begun(stages_of(*_dockerfile(ctx)), incomplete)


def build_args(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of an ARG of the Dockerfile that the command line names so far."""
    from hermes.api.names import arguments_of

    return _begun([f"{one}=" for one in arguments_of(*_dockerfile(ctx))], incomplete)


def words_of_bud(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a service of a compose file, a target of a bake file, or the folder of a context."""
    from hermes.api.names import services_of, targets_of

    if compose := ctx.params.get("compose_files"):
        return _begun(services_of(compose), incomplete)
    if bake := ctx.params.get("bake_files"):
        return _begun(targets_of(bake), incomplete)
    return folders(ctx, _param, incomplete)


def _dockerfile(ctx: click.Context) -> tuple[str, str]:
    """Return the file and the context of a command line that is not finished."""
    words = ctx.params.get("words") or [one for one in ctx.args if not one.startswith("-")]
    return ctx.params.get("file") or "", words[0] if words else "."


def _begun(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(one) for one in names if one.startswith(incomplete)]


def _listed(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    before, comma, last = incomplete.rpartition(",")
    return _begun([f"{before}{comma}{one}" for one in names if one.startswith(last)], incomplete)
