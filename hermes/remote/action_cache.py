"""The action cache: results that are found by a key, with the blobs that they refer to.

A key is that of an action which nobody executes: the command ``hermes result KEY`` in an empty folder. So any client that knows a
key finds its result, and a service sees an ordinary action.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hermes.digest import Digest
from hermes.remote.cas import Blob, Cas
from hermes.remote.channel import Failed
from hermes.remote.execution import FileThere, blob_of
from hermes.remote.messages import REAPI, messages

_GET: Final = f"/{REAPI}.ActionCache/GetActionResult"
_UPDATE: Final = f"/{REAPI}.ActionCache/UpdateActionResult"


@dataclass(frozen=True, slots=True)
class Found:
    """A result as it was stored, and the blobs that belong to it, by the paths of `hermes.actions.packed`."""

    data: bytes
    files: Mapping[str, FileThere]


class ActionCache:
    """Results of a service, whose blobs are in ``cas``. Safe to use from several threads."""

    def __init__(self, cas: Cas) -> None:
        self._cas = cas
        self._channel = cas.channel
        self._instance = cas.channel.address.instance

    def get(self, key: str) -> Found | None:
        """Return the result under a key, if there is one; raises as `Channel.unary`."""
        m = messages()
        action, _ = _key_action(key)
        request = m.GetActionResultRequest(
            instance_name=self._instance, action_digest=_digest(action), inline_stdout=True
        )
        try:
            answer = self._channel.unary(_GET, request, m.ActionResult)
        except Failed as error:
            if error.code != "NOT_FOUND":
                raise
            self._channel.works()
            return None
        data = answer.stdout_raw
        if not data and answer.stdout_digest.size_bytes:
            data = self._cas.read(Digest.from_hex(answer.stdout_digest.hash), answer.stdout_digest.size_bytes)
        files = {
            one.path: FileThere(Digest.from_hex(one.digest.hash), one.digest.size_bytes)
            for one in answer.output_files
        }
        return Found(data, files)

    def put(self, key: str, data: bytes, blobs: Mapping[str, Blob]) -> None:
        """Store a result under a key, after its blobs; raises as `Cas.send` and `Channel.unary`."""
        m = messages()
        action, others = _key_action(key)
        self._cas.send([*blobs.values(), action, *others])
        files = [
            m.OutputFile(path=path, digest=m.Digest(hash=one.digest.hex, size_bytes=one.size))
            for path, one in sorted(blobs.items())
        ]
        result = m.ActionResult(output_files=files, stdout_raw=data)
        request = m.UpdateActionResultRequest(
            instance_name=self._instance, action_digest=_digest(action), action_result=result
        )
        self._channel.unary(_UPDATE, request, m.ActionResult)


def _key_action(key: str) -> tuple[Blob, tuple[Blob, Blob]]:
    """Return the action that stands for a key, and what it refers to: its command, and an empty folder."""
    m = messages()
    command = blob_of(m.Command(arguments=["hermes", "result", key]).SerializeToString())
    folder = blob_of(m.Directory().SerializeToString())
    action = m.Action(command_digest=_digest(command), input_root_digest=_digest(folder))
    return blob_of(action.SerializeToString()), (command, folder)


def _digest(blob: Blob) -> Any:
    return messages().Digest(hash=blob.digest.hex, size_bytes=blob.size)
