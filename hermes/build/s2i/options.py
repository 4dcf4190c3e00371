"""What to build with a builder image, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hermes.build.dockerfile.options import PULL_MISSING
from hermes.build.s2i.callback import check_url
from hermes.errors import UsageError
from hermes.s2i.artifacts import Mapped
from hermes.s2i.users import Range
from hermes.sandbox.process import BUILD_CAPABILITIES

if TYPE_CHECKING:
    from hermes.container.mount_values import Bound


EXCLUDED: Final = r"(^|/)\.git(/|$)"
"""What of a source is left out unless somebody says otherwise: the repository of git."""


@dataclass(frozen=True, slots=True)
class S2IOptions:
    """``source`` is a folder or the address of a git repository, ``builder`` an image or a label, ``tag`` what the image is named.

    Of a repository ``ref`` is built, or what is checked out or its default branch; with ``copy`` a folder is taken as it
    is. ``scripts_url`` is a folder (``file://``), an address or ``image:///path``. ``inject`` holds pairs of a folder of
    this machine and one of the builder. ``callback_url`` is told how the build ended. The rest is as in `hermes.s2i.plan.Asked`, `hermes.dockerfile.options.Options`
    and `hermes.build.dockerfile.options.DockerfileOptions`. Raises `UsageError`.
    """

    source: str
    builder: str
    tag: str = ""
    ref: str = ""
    context_dir: str = ""
    copy: bool = False
    submodules: bool = True
    exclude: str = EXCLUDED
    environment: Sequence[tuple[str, str]] = ()
    scripts_url: str = ""
    destination: str = ""
    assemble_user: str = ""
    assemble_runtime_user: str = ""
    allowed: Sequence[Range] = ()
    name: str = ""
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    inject: Sequence[tuple[str, str]] = ()
    incremental: bool = False
    runtime_image: str = ""
    runtime_artifacts: Sequence[Mapped] = ()
    pull: str = PULL_MISSING
    incremental_pull: str = PULL_MISSING
    runtime_pull: str = PULL_MISSING
    network: str = "none"
    volumes: Sequence[Bound] = ()
    hosts: Sequence[tuple[str, str]] = ()
    capabilities: Sequence[str] = BUILD_CAPABILITIES
    platform: str = ""
    use_cache: bool = True
    jobs: int | None = None
    seconds: int | None = None
    runtime: str = ""
    callback_url: str = ""

    def __post_init__(self) -> None:
        check_url(self.callback_url)
        if self.incremental and self.runtime_image:
            raise UsageError(
                "an incremental build cannot have a runtime image",
                hint="leave out --incremental or --runtime-image",
            )
