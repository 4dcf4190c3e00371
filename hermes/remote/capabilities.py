"""What a service says that it can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hermes.remote.compressing import ZSTD
from hermes.remote.messages import REAPI, messages

if TYPE_CHECKING:
    from hermes.remote.channel import Channel

_METHOD: Final = f"/{REAPI}.Capabilities/GetCapabilities"
_SHA256: Final = 1


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What is not said by a service is as by default here.

    ``has_sha256`` must hold for Hermes to use it; ``has_zstd`` says that content may be compressed on the way, and ``batches_zstd``
    that small blobs that are sent together may be. ``largest_batch`` is in bytes, 0 for no limit of its own.
    """

    has_sha256: bool = True
    has_zstd: bool = False
    batches_zstd: bool = False
    may_write: bool = True
    can_execute: bool = False
    largest_batch: int = 0


def capabilities(channel: Channel) -> Capabilities:
    """Ask a service; raises as `Channel.unary`."""
    m = messages()
    request = m.GetCapabilitiesRequest(instance_name=channel.address.instance)
    answer = channel.unary(_METHOD, request, m.ServerCapabilities)
    cache = answer.cache_capabilities
    return Capabilities(
        has_sha256=_SHA256 in cache.digest_functions or not cache.digest_functions,
        has_zstd=ZSTD in cache.supported_compressors,
        batches_zstd=ZSTD in cache.supported_batch_update_compressors,
        may_write=bool(cache.action_cache_update_capabilities.update_enabled),
        can_execute=bool(answer.execution_capabilities.exec_enabled),
        largest_batch=int(cache.max_batch_total_size_bytes),
    )
