"""The messages of the protocols, with the fields that Hermes reads and writes.

They are declared here by the names and numbers of their fields, which the protocols fix: build/bazel/remote/execution/v2
(remote_execution.proto of bazelbuild/remote-apis), google/bytestream, google/longrunning, google/rpc and
google/devtools/remoteworkers/v1test2. Fields that are not declared are kept by protobuf where a message is passed on. So there is no
generated code, which each works with some versions of protobuf only.
"""

from __future__ import annotations

import threading
from functools import cache
from types import SimpleNamespace
from typing import Any, Final

REAPI: Final = "build.bazel.remote.execution.v2"
BOTS: Final = "google.devtools.remoteworkers.v1test2"
RPC: Final = "google.rpc"
BYTESTREAM: Final = "google.bytestream"
LONGRUNNING: Final = "google.longrunning"

_MAKING: Final = threading.Lock()
_WELL_KNOWN: Final = {
    "Any": "google.protobuf.Any",
    "Duration": "google.protobuf.Duration",
    "Timestamp": "google.protobuf.Timestamp",
    "Status": f"{RPC}.Status",
}
_PACKAGES: Final = {
    RPC: """
        Status: int32 code=1, string message=2, Any* details=3
        PreconditionFailure: Violation* violations=1
        Violation @PreconditionFailure: string type=1, string subject=2, string description=3
        RetryInfo: Duration retry_delay=1
    """,
    BYTESTREAM: """
        ReadRequest: string resource_name=1, int64 read_offset=2, int64 read_limit=3
        ReadResponse: bytes data=10
        WriteRequest: string resource_name=1, int64 write_offset=2, bool finish_write=3, bytes data=10
        WriteResponse: int64 committed_size=1
        QueryWriteStatusRequest: string resource_name=1
        QueryWriteStatusResponse: int64 committed_size=1, bool complete=2
    """,
    LONGRUNNING: """
        Operation: string name=1, Any metadata=2, bool done=3, Status error=4, Any response=5
        CancelOperationRequest: string name=1
        Empty: int32 nothing=1
    """,
    REAPI: """
        Digest: string hash=1, int64 size_bytes=2
        Property @Platform: string name=1, string value=2
        Platform: Property* properties=1
        EnvironmentVariable @Command: string name=1, string value=2
        Command: string* arguments=1, EnvironmentVariable* environment_variables=2, string* output_paths=7, Platform platform=5
        Action: Digest command_digest=1, Digest input_root_digest=2, Duration timeout=6, bool do_not_cache=7, bytes salt=9, Platform platform=10
        FileNode: string name=1, Digest digest=2, bool is_executable=4
        DirectoryNode: string name=1, Digest digest=2
        Directory: FileNode* files=1, DirectoryNode* directories=2
        Tree: Directory root=1, Directory* children=2
        OutputFile: string path=1, Digest digest=2, bool is_executable=4, bytes contents=5
        OutputDirectory: string path=1, Digest tree_digest=3, bool is_topologically_sorted=4, Digest root_directory_digest=5
        ExecutedActionMetadata: string worker=1, Timestamp queued_timestamp=2, Timestamp worker_start_timestamp=3, Timestamp worker_completed_timestamp=4
        ActionResult: OutputFile* output_files=2, OutputDirectory* output_directories=3, int32 exit_code=4, bytes stdout_raw=5, Digest stdout_digest=6, bytes stderr_raw=7, Digest stderr_digest=8, ExecutedActionMetadata execution_metadata=9
        ExecuteRequest: string instance_name=1, bool skip_cache_lookup=3, Digest action_digest=6
        ExecuteResponse: ActionResult result=1, bool cached_result=2, Status status=3, string message=5
        ExecuteOperationMetadata: int32 stage=1, Digest action_digest=2
        WaitExecutionRequest: string name=1
        GetActionResultRequest: string instance_name=1, Digest action_digest=2, bool inline_stdout=3
        UpdateActionResultRequest: string instance_name=1, Digest action_digest=2, ActionResult action_result=3
        FindMissingBlobsRequest: string instance_name=1, Digest* blob_digests=2
        FindMissingBlobsResponse: Digest* missing_blob_digests=2
        Update @BatchUpdateBlobsRequest: Digest digest=1, bytes data=2, int32 compressor=3
        BatchUpdateBlobsRequest: string instance_name=1, Update* requests=2
        Updated @BatchUpdateBlobsResponse: Digest digest=1, Status status=2
        BatchUpdateBlobsResponse: Updated* responses=1
        BatchReadBlobsRequest: string instance_name=1, Digest* digests=2, int32* acceptable_compressors=3
        Read @BatchReadBlobsResponse: Digest digest=1, bytes data=2, Status status=3, int32 compressor=4
        BatchReadBlobsResponse: Read* responses=1
        GetCapabilitiesRequest: string instance_name=1
        ActionCacheUpdateCapabilities: bool update_enabled=1
        CacheCapabilities: int32* digest_functions=1, ActionCacheUpdateCapabilities action_cache_update_capabilities=2, int64 max_batch_total_size_bytes=4, int32* supported_compressors=6, int32* supported_batch_update_compressors=7
        ExecutionCapabilities: int32 digest_function=1, bool exec_enabled=2
        ServerCapabilities: CacheCapabilities cache_capabilities=1, ExecutionCapabilities execution_capabilities=2
        ToolDetails: string tool_name=1, string tool_version=2
        RequestMetadata: ToolDetails tool_details=1, string action_id=2, string tool_invocation_id=3, string target_id=6, string action_mnemonic=5
    """,
    BOTS: """
        Property @Worker: string key=1, string value=2
        Config @Worker: string key=1, string value=2
        DeviceProperty: string key=1, string value=2
        Device: string handle=1, DeviceProperty* properties=2
        Worker: Device* devices=1, Property* properties=2, Config* configs=3
        Lease: string id=7, Any payload=8, Any result=9, int32 state=2, Status status=3
        BotSession: string name=1, string bot_id=2, int32 status=3, Worker worker=4, Lease* leases=5, Timestamp expire_time=6, string version=7
        CreateBotSessionRequest: string parent=1, BotSession bot_session=2
        UpdateBotSessionRequest: string name=1, BotSession bot_session=2
    """,
}
"""For each package the messages: ``NAME: TYPE FIELD=NUMBER, ...``, with ``TYPE*`` for repeated fields.

``NAME @OTHER`` is a message within another in the protocol, which shows in no byte. Enumerations are their numbers, as
they are on the wire.
"""


def messages() -> Any:
    """Return the classes of the messages as attributes: of the first package by their names, else ``Bots_NAME``.

    They are the same ones for all threads. Raises `ImportError` where protobuf is not installed.
    """
    with _MAKING:
        return _made()


@cache
def _made() -> Any:
    from google.protobuf import (
        any_pb2,
        descriptor_pb2,
        descriptor_pool,
        duration_pb2,
        message_factory,
        timestamp_pb2,
    )

    pool = descriptor_pool.DescriptorPool()
    for known in (any_pb2, duration_pb2, timestamp_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    found = SimpleNamespace()
    for package, text in _PACKAGES.items():
        file = _file(descriptor_pb2, package, text)
        pool.Add(file) if hasattr(pool, "Add") else pool.AddSerializedFile(file.SerializeToString())
        for one in file.message_type:
            made = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{one.name}"))
            setattr(found, f"Bots{one.name}" if hasattr(found, one.name) else one.name, made)
    for name in ("Any", "Duration", "Timestamp"):
        made = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"google.protobuf.{name}"))
        setattr(found, name, made)
    return found


def _file(descriptor_pb2: Any, package: str, text: str) -> Any:
    """Return the descriptor of a package's messages."""
    field = descriptor_pb2.FieldDescriptorProto
    scalars = {
        "bool": field.TYPE_BOOL,
        "bytes": field.TYPE_BYTES,
        "int32": field.TYPE_INT32,
        "int64": field.TYPE_INT64,
        "string": field.TYPE_STRING,
    }
    file = descriptor_pb2.FileDescriptorProto(
        name=f"hermes/{package}.proto", package=package, syntax="proto3"
    )
    file.dependency.extend(
        ("google/protobuf/any.proto", "google/protobuf/duration.proto", "google/protobuf/timestamp.proto")
    )
    if package != RPC:
        file.dependency.append(f"hermes/{RPC}.proto")
    for line in text.strip().splitlines():
        head, _, fields = line.strip().partition(": ")
        message = file.message_type.add(name=head.partition(" @")[0])
        for one in fields.split(", "):
            kind, _, rest = one.partition(" ")
            name, _, number = rest.partition("=")
            label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
            kind = kind.rstrip("*")
            made = message.field.add(name=name, number=int(number), label=label)
            if kind in scalars:
                made.type = scalars[kind]
            else:
                made.type = field.TYPE_MESSAGE
                made.type_name = f".{_WELL_KNOWN.get(kind, f'{package}.{kind}')}"
    return file
