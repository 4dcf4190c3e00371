"""``ctx.actions`` itself. Specs of actions are loaded where a rule declares one, as most builds need few kinds."""

from __future__ import annotations

from typing import ClassVar

from hermes.dsl.actions.command_actions import CommandActions
from hermes.dsl.actions.image_actions import ImageActions
from hermes.dsl.actions.image_tests import ImageTestActions
from hermes.dsl.actions.layer_actions import LayerActions
from hermes.dsl.actions.whole_images import WholeImageActions
from hermes.dsl.dialect.values import Check
from hermes.dsl.parameters import ACTIONS, checking


class Actions(LayerActions, CommandActions, ImageActions, WholeImageActions, ImageTestActions):
    """Each call declares an action and returns what it makes."""

    __slots__ = ()
    dsl_type: ClassVar[str] = "actions"
    dsl_check: ClassVar[Check] = staticmethod(checking(ACTIONS))
    dsl_attributes: ClassVar[frozenset[str]] = frozenset(
        {
            "accounts",
            "check_programs",
            "copy",
            "dockerfile",
            "fetch",
            "fetch_wheel",
            "git",
            "host",
            "image",
            "import_image",
            "index",
            "layer",
            "pull",
            "push",
            "run",
            "s2i",
            "squash",
            "test",
            "write",
        }
    )
