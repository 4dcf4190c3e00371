"""Finds the command, and turns errors into messages and exit statuses."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Final

import click
from click.exceptions import NoArgsIsHelpError

from hermes.errors import BuildInterrupted, CommandFailed, HermesError, UsageError
from hermes.version import __version__

_COMMANDS: Final = {
    "bud": ("bud", "Build an image from a Dockerfile (also: build-using-dockerfile)."),
    "build": ("build", "Build targets and link what they give into hermes-out."),
    "cache": ("cache", "Show, shrink or verify the store."),
    "completion": ("completion", "Print what makes a shell complete what is typed."),
    "copy": ("copy", "Write an image from anywhere to anywhere."),
    "ctr": ("ctr", "Build an image step by step: from, mount, copy, run, config, commit."),
    "diff": ("diff", "Say in what two images differ."),
    "doctor": ("doctor", "Say what this machine can do, and what to do about what it cannot."),
    "explain": ("explain", "Say why a target was built again, or what its actions depend on."),
    "images": ("images", "List the images that have a name."),
    "init": ("init", "Write a workspace with an image and a test, to begin with."),
    "inspect": ("inspect", "Say what is known of an image, its layers and files."),
    "lock": ("lock", "Resolve packages and write lock files."),
    "migrate": ("migrate", "Write a BUILD file that gives what a Dockerfile gives."),
    "pull": ("images", "Take an image into the store and give it a name."),
    "push": ("push", "Build images and push them to registries."),
    "query": ("query", "List targets, and what they depend on."),
    "rmi": ("images", "Take the names of images away."),
    "run": ("run", "Build an image and run it in the sandbox."),
    "s2i": ("s2i", "Build images of applications with builder images, as Source-to-Image does."),
    "tag": ("images", "Give an image more names."),
    "test": ("test", "Run tests of images, and build what they need."),
    "unshare": ("unshare", "Run a command where an ordinary user's containers can be mounted."),
    "worker": ("worker", "Execute actions for a build service, until it is stopped."),
}
_HIDDEN: Final = {"execute-action": "execute_action"}
"""Commands that programs call, and their modules."""
_ALIASES: Final = {"build-using-dockerfile": "bud"}
_OF_DOCKERFILES: Final = (
    "-t",
    "-f",
    "--tag",
    "--file",
    "--add-host",
    "--bake",
    "--build-",
    "--check",
    "--compose",
    "--iidfile",
    "--label",
    "--load",
    "--metadata-file",
    "--network",
    "--no-cache",
    "--pull",
    "--push",
    "--rm",
    "--squash",
    "--ssh",
    "--target",
)
"""Options of Dockerfiles alone, some by how they begin."""
_LONG: Final = 12
"""Lines of an error after which its first one is shown again."""

_SIGNALLED: Final = 128
"""Added to a signal's number, the exit status of what it ended; see exit(1p)."""
_SOON: Final = 0.01
"""Seconds after which a signal is sent again."""


class _Commands(click.Group):
    """Imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        cmd_name = _ALIASES.get(cmd_name, cmd_name)
        if cmd_name in _HIDDEN:
            module = _HIDDEN[cmd_name]
            return import_module(f"hermes.cli.{module}").command  # type: ignore[no-any-return]
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        name = "command" if module == cmd_name else cmd_name
        found: click.Command = getattr(import_module(f"hermes.cli.{module}"), name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(_COMMANDS.items())])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not any(args[0] in known for known in (_COMMANDS, _ALIASES, _HIDDEN)):
            raise _no_command(args[0], ctx)
        if args[0] == "build" and _means_dockerfile(args[1:]):
            args = ["bud", *args[1:]]
        return super().resolve_command(ctx, args)


def _means_dockerfile(arguments: Sequence[str]) -> bool:
    """Tell whether ``build ARGUMENTS`` is said as to docker: a build of targets has no such option."""
    words = list(itertools.takewhile(lambda one: one != "--", arguments))
    return any(one.startswith(_OF_DOCKERFILES) or _is_context(one) for one in words)


def _is_context(word: str) -> bool:
    """Tell whether a word is a folder with a Dockerfile that is not a package, such as the ``.`` of ``docker build .``."""
    if not word or word.startswith(("-", "//", ":")) or not os.path.isdir(word):
        return False
    names = os.listdir(word) if os.access(word, os.R_OK) else []
    has_dockerfile = "Dockerfile" in names or "Containerfile" in names
    return has_dockerfile and "BUILD" not in names and "BUILD.hermes" not in names


def _no_command(name: str, ctx: click.Context) -> Exception:
    import difflib

    from hermes.cli.other_tools import WAYS

    if name in WAYS:
        return UsageError(f"there is no command {name!r}", hint=WAYS[name])
    near = difflib.get_close_matches(name, _COMMANDS, 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    return click.UsageError(f"there is no command {name!r}{meant}", ctx)


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hermes")
def hermes() -> None:
    """Build OCI container images the way Bazel builds binaries: no daemon, no root, the same bytes every time."""


def exit_status() -> int:
    """Run the command line of this process; return its exit status."""
    _use_utf8()
    received: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    def interrupt_again(lost: sys.UnraisableHookArgs) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            _send_again(received[-1] if received else signal.SIGINT)
        else:
            sys.__unraisablehook__(lost)

    sys.unraisablehook = interrupt_again
    signal.signal(signal.SIGTERM, interrupt)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # else somebody, such as nohup, wants it ignored
        signal.signal(signal.SIGHUP, interrupt)
    status = status_of(sys.argv[1:])
    return _SIGNALLED + received[0] if received and status == BuildInterrupted.exit_status else status


def _send_again(number: int) -> None:
    """Send this process a signal that came where Python forgets exceptions, in the callback of a weak reference say."""
    import threading

    threading.Timer(_SOON, os.kill, (os.getpid(), number)).start()


def status_of(arguments: list[str]) -> int:
    """Run one command line; return its exit status."""
    try:
        status = hermes.main(arguments, prog_name="hermes", standalone_mode=False)
    except CommandFailed as error:
        return error.status
    except BuildInterrupted as error:
        return _report(error)
    except HermesError as error:
        return _report(error)
    except NoArgsIsHelpError as error:
        _say(error.format_message())
        return 2
    except click.ClickException as error:
        _say(f"error: {error.format_message()}")
        if isinstance(error, click.UsageError) and error.ctx is not None:
            _say(f"hint: see `{error.ctx.command_path} --help`")
        return 2
    except (KeyboardInterrupt, click.Abort, EOFError):
        _say("interrupted")
        return BuildInterrupted.exit_status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (
        OSError,
        MemoryError,
        RuntimeError,
        ImportError,
        OverflowError,
    ) as error:  # what no command expects
        from hermes.store.io_errors import is_of_machine, refusal

        if not is_of_machine(error):
            raise
        return _report(refusal(error))
    return status if isinstance(status, int) else 0


def _report(error: HermesError) -> int:
    """Show an error; on a terminal the first line of a long one again at the end, where it is still seen."""
    text = error.render()
    if isinstance(error, BuildInterrupted):
        _say(text)
        return error.exit_status
    from hermes.cli.lines import colored

    head = colored("error:", "1;31")
    _say(f"{head} {text}")
    lines = text.split("\n")
    if len(lines) > 1 and sys.stderr.isatty():
        import shutil

        if len(lines) > min(_LONG, shutil.get_terminal_size().lines // 2):
            _say(f"{head} {lines[0]}")
    return error.exit_status


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # such as a full disk, which is reported at the end
        sys.stdout.flush()
    from hermes.cli.lines import write_line

    write_line(text)


def _use_utf8() -> None:
    """Start again in UTF-8 mode where the locale says otherwise: paths must not depend on it."""
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
