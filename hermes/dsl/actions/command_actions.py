"""Actions that run commands: in a root, or on the machine for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hermes.actions.specs.spec import Ref
from hermes.dsl.actions.declaring import Declaring, refs
from hermes.dsl.commands import check_run, identities, layers_at, staged, with_binds
from hermes.dsl.dialect.values import EvalError, Struct
from hermes.dsl.mounts import as_mount, mounts_of
from hermes.dsl.providers import File, Layer
from hermes.engine.action import Output

if TYPE_CHECKING:
    from hermes.actions.specs.command import Command

BUILD_FOLDER: Final = "/build"
"""Where commands that make files run."""


class CommandActions(Declaring):
    __slots__ = ()

    def run(
        self,
        name: str,
        *,
        root: Any,
        argv: Any,
        env: Any = None,
        environment: Any = None,
        inputs: Any = None,
        cwd: str = "",
        user: str = "",
        network: bool = False,
        timeout: int | None = None,
        outputs: Any = (),
        layer: bool = True,
        secrets: Any = (),
        secret_version: str = "",
        mounts: Any = (),
        subscriptions: Any = (),
        trees: Any = None,
    ) -> Struct:
        """A command in the stack of layers ``root``; gives its changes as ``layer``, and ``files``.

        ``inputs`` maps absolute paths to lists of files: a single file is mounted there itself, several are
        put below the path by their paths in their packages. ``outputs`` are absolute paths of files to keep.
        Without ``cwd`` the command runs in a folder of its own that is writable, has the ``inputs`` at "."
        in it, and is the place of ``outputs`` that are relative. ``environment`` is that of a base image.
        ``mounts`` and ``secrets`` are what `hermes.dsl.mounts` makes. ``trees`` maps absolute paths to layers: what
        such a layer has in ``/content`` is mounted there, read-only.
        """
        from hermes.actions.specs.run import Run

        check_run("run", argv, outputs)
        more = mounts_of(secrets, secret_version, [as_mount(one) for one in mounts])
        folders, files = staged(with_binds(inputs or {}, mounts))
        command = Run(
            argv=tuple(argv),
            cwd=BUILD_FOLDER if "." in folders else cwd,
            env=dict(env or {}),
            layer=bool(layer),
            mounts=folders,
            mtime=self._configuration.epoch,
            network=bool(network),
            outs=tuple(outputs),
            user=user,
            **more._asdict(),
            subscriptions=tuple(subscriptions),
            roots=refs(root),
            environment=None if environment is None else Ref(environment.artifact),
            bound=layers_at(trees or {}),
            sources=files,
        )
        return self._command(name, command, timeout)

    def host(
        self,
        name: str,
        *,
        root: Any,
        argv: Any,
        tools: Any,
        env: Any = None,
        inputs: Any = None,
        network: bool = False,
        timeout: int | None = None,
        outputs: Any = (),
    ) -> Struct:
        """A command of the machine that fills ``$HERMES_ROOT``, where the stack of layers ``root`` is mounted.

        Gives the changes as ``layer``, and ``files``. ``tools`` maps the path of each tool to what it is: a
        version, which is only in the key, or "sha256:" and the digest of the file, which is verified.
        ``inputs`` and ``outputs`` are as those of run(); inputs are below /run.
        """
        from hermes.actions.specs.host import Host

        check_run("host", argv, outputs)
        mounts, files = staged(inputs or {})
        for path in mounts:
            if not path.startswith("/run/") or f"{path}/".startswith("/run/hermes/"):
                raise EvalError(f"{path} cannot hold inputs of a host tool", "put them below /run/inputs")
        command = Host(
            argv=tuple(argv),
            env=dict(env or {}),
            mounts=mounts,
            mtime=self._configuration.epoch,
            network=bool(network),
            outs=tuple(outputs),
            tools=identities(tools),
            roots=refs(root),
            sources=files,
        )
        return self._command(name, command, timeout)

    def _command(self, name: str, command: Command[Ref], timeout: int | None) -> Struct:
        action = self._add(name, command, timeout=timeout)
        files = [
            File(Output(action, one), self._label, path.lstrip("/"))
            for one, path in zip(command.out_names, command.outs, strict=True)
        ]
        made = Layer(Output(action, "layer"), self._label) if command.layer else None
        return Struct({"layer": made, "files": files})
