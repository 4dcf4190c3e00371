"""Actions that make layers of files and of other layers, and that look at what is in them."""

from __future__ import annotations

from typing import Any

from hermes.actions.specs.spec import Ref
from hermes.dsl.actions.declaring import Declaring, layers_of, refs
from hermes.dsl.dialect.values import EvalError
from hermes.dsl.entries import Entries, check_paths
from hermes.dsl.providers import File, Layer
from hermes.engine.action import Output


class LayerActions(Declaring):
    __slots__ = ()

    def layer(self, name: str, entries: Any) -> Layer:
        """A layer of the given entries."""
        from hermes.actions.specs.layer import Layer as LayerSpec

        groups = [one for one in entries if type(one) is Entries]
        if len(groups) != len(entries):
            raise EvalError("layer() takes a list of entries", "make them with entry.files() and its like")
        check_paths(groups, self._label)
        entries = tuple(one.group for one in groups)
        action = self._add(name, LayerSpec(entries=entries, mtime=self._configuration.epoch))
        return Layer(Output(action, "layer"), self._label)

    def git(self, name: str, url: str, commit: str, folder: str = "") -> Layer:
        """A layer of the files below ``folder`` of a commit, which git fetches from ``url``; submodules are in it."""
        from hermes.actions.specs.git import Git

        git: Git[Ref] = Git(commit=commit, folder=folder, ref="", url=url)
        return Layer(Output(self._add(name, git), "layer"), self._label)

    def squash(self, name: str, layers: Any, below: Any = ()) -> Layer:
        """What a stack of layers comes to as one layer, for what is ``below`` it."""
        from hermes.actions.specs.squash import Squash

        squash = Squash(mtime=self._configuration.epoch, below=refs(below), roots=refs(layers))
        return Layer(Output(self._add(name, squash), "layer"), self._label)

    def accounts(self, name: str, *, root: Any, users: Any = (), groups: Any = ()) -> Layer:
        """A layer with the users and groups of the stack of layers ``root`` and more of them, and with home folders.

        ``users`` are lists of name, user id, group id, home folder and shell, ``groups`` lists of name, group id and a list of
        members. Without a root there are root and nobody besides.
        """
        from hermes.actions.specs.accounts import Accounts, GroupRow, UserRow

        spec = Accounts(
            users=tuple(UserRow(*one) for one in users),
            groups=tuple(GroupRow(called, gid, tuple(members)) for called, gid, members in groups),
            mtime=self._configuration.epoch,
            roots=refs(root),
        )
        return Layer(Output(self._add(name, spec), "layer"), self._label)

    def check_programs(
        self,
        name: str,
        *,
        layers: Any,
        root: Any,
        start: str = "",
        missing: Any = (),
        env: Any = None,
        environment: Any = None,
    ) -> File:
        """Whether the stack of layers ``root`` has the libraries that the ELF files of ``layers``, some of it, need.

        With ``start``, the path of a program, only that and what it loads is looked at, and it must be for the platform. Layers of images
        from elsewhere are not read, only their lists of files. ``missing`` are names of libraries that need not be there;
        ``env`` and ``environment`` are as of run(), for LD_LIBRARY_PATH. Give the file that this returns to image() as one of its
        ``checks``.
        """
        from hermes.actions.specs.programs import CheckPrograms, ListPrograms

        listed = []
        for number, one in enumerate(layers_of(layers)):
            if one.manifest is None:
                look = ListPrograms(layer=Ref(one.artifact))
                listed.append(Ref(Output(self._add(f"{name}.{number}", look), "programs")))
        check = CheckPrograms(
            start=start,
            missing=tuple(missing),
            library_path=(env or {}).get("LD_LIBRARY_PATH", ""),
            environment=None if environment is None else Ref(environment.artifact),
            roots=refs(root),
            programs=tuple(listed),
        )
        return File(Output(self._add(name, check), "checked"), self._label, f"{name}.checked")

    def copy(
        self,
        name: str,
        *,
        root: Any,
        paths: Any,
        dest: str,
        base: Any = (),
        exclude: Any = (),
        parents: bool = False,
        owner: str = "",
        mode: int | None = None,
    ) -> Layer:
        """A layer of what is at ``paths`` (patterns) of the stack of layers ``root``, and of nothing else in it.

        It is put where ``dest`` is in the stack ``base``: into that folder if it ends with a slash, is a folder
        there, or more than one file is copied. Owners and modes stay unless others are given; ``owner`` may
        have names, which are looked up in ``base``.
        """
        from hermes.actions.specs.copy import Copy
        from hermes.actions.specs.list_files import ListFiles
        from hermes.actions.specs.resolve_destination import ResolveDestination

        select = ListFiles(
            exclude=tuple(exclude),
            from_=", ".join(dict.fromkeys(str(one.owner) for one in layers_of(root))),
            keep_owners=not owner,
            optional=False,
            parents=bool(parents),
            sources=tuple(paths),
            roots=refs(root),
        )
        selected = self._add(name, select)
        listing = Ref(Output(selected, "listing"))
        place = ResolveDestination(
            dest=dest.lstrip("/"),
            folder=bool(parents) or dest.endswith("/") or len(paths) > 1,
            owner=owner,
            roots=refs(base),
            listing=listing,
        )
        copy = Copy(
            keep_owners=not owner,
            mode=mode,
            mtime=self._configuration.epoch,
            listing=listing,
            content=Ref(Output(selected, "content")),
            destination=Ref(Output(self._add(name, place), "destination")),
        )
        return Layer(Output(self._add(name, copy), "layer"), self._label)
