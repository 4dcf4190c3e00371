"""The action that tests an image."""

from __future__ import annotations

from typing import Any

from hermes.actions.specs.spec import Ref
from hermes.dsl.actions.declaring import Declaring, refs
from hermes.dsl.providers import TEST_INFO, File, Info
from hermes.engine.action import Output, Source
from hermes.testing.sizes import SIZES


class ImageTestActions(Declaring):
    __slots__ = ()

    def test(
        self,
        name: str,
        *,
        image: Any,
        files: Any = (),
        data: Any = (),
        command: Any = None,
        http: Any = None,
        args: Any = (),
        writable: bool = False,
        profile: str = "strict",
        capabilities: Any = (),
        dropped: Any = (),
        tmpfs: Any = (),
        network: bool = False,
        env: Any = None,
        user: str = "",
        workdir: str = "",
        hostname: str = "",
        size: str = "medium",
        timeout: int | None = None,
        exclusive: bool = False,
    ) -> Info:
        """The tests of an image (an ImageInfo): what ``files`` of container-structure-test ask for, a command, a server.

        ``data`` are files that those name. ``command`` is a dict of the fields of
        `hermes.testing.suite.CommandTest`, ``http`` one of `HttpTest`, whose server has the arguments ``args``. The rest
        opens the sandbox as the options of ``hermes run`` do.
        """
        from hermes.actions.specs.test import Test
        from hermes.dsl.tests import opened, suite_of

        runs = self._configuration.tests
        spec: Test[Ref] = Test(
            **suite_of(command, http),
            **opened(profile, capabilities, dropped, tmpfs, env or {}),
            argv=tuple(args),
            writable=bool(writable),
            network=bool(network),
            user=user,
            workdir=workdir,
            hostname=hostname,
            chosen=runs.chosen,
            config=Ref(image.fields["config"].artifact),
            roots=refs(image.fields["layers"]),
            files=tuple(Ref(one.content, _place_of(one)) for one in files),
            data=tuple(Ref(one.content, one.path) for one in data),
        )
        seconds = runs.seconds or timeout or SIZES[size]
        reports = []
        for number in range(1, runs.runs + 1):
            called = name if runs.runs == 1 else f"{name}.{number}"
            one = spec.replaced(run=number) if runs.runs > 1 else spec
            action = self._add(called, one, timeout=seconds, exclusive=exclusive)
            reports.append(File(Output(action, "report"), self._label, f"{called}.test.json"))
        return TEST_INFO(image=image, reports=reports)


def _place_of(file: File) -> str:
    """Return what errors call a file: its path in the workspace, or in its package if an action makes it."""
    artifact = file.content
    return artifact.path if isinstance(artifact, Source) else file.path
