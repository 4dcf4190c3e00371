"""``list_programs`` and ``check_programs``: the ELF files of layers, and whether a root has what they need."""

from __future__ import annotations

from typing import ClassVar

from hermes.actions.specs.spec import I, Spec, role, roles


class ListPrograms(Spec[I]):
    """The ELF files of a layer, and what they need."""

    kind: ClassVar[str] = "list_programs"

    layer: I = role("layer")

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("programs",)


class CheckPrograms(Spec[I]):
    """Whether the stack ``roots``, the lowest layer first, has the libraries that programs need.

    ``start`` is the path of one, of which all that it loads is looked at, or empty for each of the ``programs``, which are
    lists of them. ``missing`` are names of libraries that need not be there. ``environment`` is that of the image's base,
    ``library_path`` what the image sets LD_LIBRARY_PATH to, if it does.
    """

    kind: ClassVar[str] = "check_programs"
    for_platform: ClassVar[bool] = True

    start: str = ""
    missing: tuple[str, ...] = ()
    library_path: str = ""
    environment: I | None = role("environment", default=None)
    roots: tuple[I, ...] = roles("root", default=())
    programs: tuple[I, ...] = roles("programs", default=())

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("checked",)
