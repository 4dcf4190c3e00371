"""How an image of an application was built, as its labels say: what ``hermes s2i rebuild`` begins with."""

from __future__ import annotations

from typing import Final

from hermes.build.s2i.options import S2IOptions
from hermes.errors import UsageError
from hermes.s2i.facts import DESCRIPTION, DISPLAY_NAME, NAMESPACE, Facts

_BUILD: Final = f"{NAMESPACE}build."
IMAGE: Final = f"{_BUILD}image"
LOCATION: Final = f"{_BUILD}source-location"


def options_of(image: Facts) -> S2IOptions:
    """Return the builder, source, ref, folder and descriptions that an image was built of and with.

    These are the labels that ``s2i rebuild`` of source-to-image reads (docs/cli.md). Raises `UsageError` when the builder or
    the source is not among them.
    """
    labels = image.labels
    if missing := next((one for one in (IMAGE, LOCATION) if not labels.get(one)), ""):
        what = "the source was a folder of a machine" if missing == LOCATION else "s2i has not built it"
        raise UsageError(
            f"{image.name} cannot be built again: it has no label {missing} ({what})",
            hint="hermes s2i build SOURCE BUILDER TAG",
        )
    return S2IOptions(
        source=labels[LOCATION],
        builder=labels[IMAGE],
        tag=image.name,
        ref=labels.get(f"{_BUILD}commit.ref", ""),
        context_dir=labels.get(f"{_BUILD}source-context-dir", ""),
        name=labels.get(DISPLAY_NAME, ""),
        description=labels.get(DESCRIPTION, ""),
    )
