"""The action cache: results that are found by a key, with the blobs that they refer to.

A key is that of an action which nobody executes: the command ``hermes result KEY`` in an empty folder. So any client that knows a
key finds its result, and a service sees an ordinary action.

Its standard output is the result, one line, and after it the small files that whoever wants the result reads at once, each as
a line ``SIZE PATH`` and its bytes: one call gives all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hermes.digest import Digest
from hermes.remote.cas import Blob, Cas
from hermes.remote.channel import Failed
from hermes.remote.execution import FileThere, blob_of
from hermes.remote.messages import REAPI, messages

_GET: Final = f"/{REAPI}.ActionCache/GetActionResult"
_UPDATE: Final = f"/{REAPI}.ActionCache/UpdateActionResult"
_MOST_INLINE: Final = 32 << 10
"""Bytes of files that go with a result; services bound what a result may have."""
_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class Found:
    """A result as it was stored, and the blobs that belong to it, by the paths of `hermes.actions.packed`.

    ``contents`` are those of them that came with it.
    """

    data: bytes
    files: Mapping[str, FileThere]
    contents: Mapping[Digest, bytes]


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
        data, _, rest = data.partition(b"\n")
        contents = {Digest.of(content): content for path, content in _inlined(rest) if path in files}
        self._cas.traffic.add(down=sum(map(len, contents.values())))
        return Found(data, files, contents)

    def put(self, key: str, data: bytes, blobs: Mapping[str, Blob], inline: Collection[str] = ()) -> None:
        """Store a result, one line, under a key, after its blobs; raises as `Cas.send` and `Channel.unary`.

        The blobs of the paths ``inline`` go with the result, if they are small.
        """
        m = messages()
        action, others = _key_action(key)
        self._cas.send([*blobs.values(), action, *others])
        files = [
            m.OutputFile(path=path, digest=m.Digest(hash=one.digest.hex, size_bytes=one.size))
            for path, one in sorted(blobs.items())
        ]
        parts = b"".join((data, *_inline({path: blobs[path] for path in sorted(inline)})))
        result = m.ActionResult(output_files=files, stdout_raw=parts)
        request = m.UpdateActionResultRequest(
            instance_name=self._instance, action_digest=_digest(action), action_result=result
        )
        self._channel.unary(_UPDATE, request, m.ActionResult)


def _inline(blobs: Mapping[str, Blob]) -> Iterator[bytes]:
    """Yield what is added to a result for files that go with it."""
    left = _MOST_INLINE
    for path, one in blobs.items():
        if one.size <= left:
            left -= one.size
            yield b"\n%d %s\n" % (one.size, path.encode())
            yield from one.content()


def _inlined(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the paths and contents of the files in what `_inline` made, up to where it is damaged."""
    while data:
        head, _, data = data.partition(b"\n")
        size, _, path = head.partition(b" ")
        if not size.isdigit() or len(size) > _DIGITS or int(size) > len(data):
            return
        yield path.decode(errors="replace"), data[: int(size)]
        data = data[int(size) + 1 :]


def _key_action(key: str) -> tuple[Blob, tuple[Blob, Blob]]:
    """Return the action that stands for a key, and what it refers to: its command, and an empty folder."""
    m = messages()
    command = blob_of(m.Command(arguments=["hermes", "result", key]).SerializeToString())
    folder = blob_of(m.Directory().SerializeToString())
    action = m.Action(command_digest=_digest(command), input_root_digest=_digest(folder))
    return blob_of(action.SerializeToString()), (command, folder)


def _digest(blob: Blob) -> Any:
    return messages().Digest(hash=blob.digest.hex, size_bytes=blob.size)
