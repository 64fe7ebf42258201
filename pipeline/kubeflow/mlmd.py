"""ML Metadata as Kubeflow Pipelines fills it: what each task of a run has made.

KFP's API tells states and times of a run's tasks, but not their outputs (toModelTask of
kubeflow/pipelines, backend/src/apiserver/server/api_converter.go, leaves them out). Its own user
interface takes them from the metadata store, over gRPC-Web at the address of the interface, and so
do we: contexts, executions, events and artifacts as backend/src/v2/metadata/client.go writes them.

Messages: https://github.com/google/ml-metadata, ml_metadata/proto/metadata_store.proto and
metadata_store_service.proto. Framing: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md
"""

import functools
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from idxpipe.components.core.errors import DataError, SetupError, UsageError
from idxpipe.components.core.google.rest import Client

_SERVICE = "/ml_metadata.MetadataStoreService/"
_RUN_CONTEXT = "system.PipelineRun"
_OUTPUT = 4  # Event.Type
_TRAILERS = 0x80
_NOT_FOUND = "5"  # google.rpc.Code
# Execution.State
RUNNING, COMPLETE, FAILED, CACHED, CANCELED = 2, 3, 4, 5, 6

# Field: number and type; `repeated` with brackets, a map from text with braces. What is not read is
# left out: protobuf keeps fields that it does not know.
_FIELDS: dict[str, dict[str, tuple[int, str]]] = {
    "Value": {
        "int_value": (1, "int64"),
        "double_value": (2, "double"),
        "string_value": (3, "string"),
        "struct_value": (4, ".google.protobuf.Struct"),
        "bool_value": (6, "bool"),
    },
    "Context": {"id": (1, "int64")},
    "Artifact": {"id": (1, "int64"), "uri": (3, "string"), "custom_properties": (5, "{Value}")},
    "Execution": {
        "id": (1, "int64"),
        "last_known_state": (3, "int32"),
        "custom_properties": (5, "{Value}"),
    },
    "Step": {"index": (1, "int64"), "key": (2, "string")},
    "Path": {"steps": (1, "[Step]")},
    "Event": {
        "artifact_id": (1, "int64"),
        "execution_id": (2, "int64"),
        "path": (3, "Path"),
        "type": (4, "int32"),
    },
    "GetContextByTypeAndNameRequest": {"type_name": (1, "string"), "context_name": (2, "string")},
    "GetContextByTypeAndNameResponse": {"context": (1, "Context")},
    "GetExecutionsByContextRequest": {"context_id": (1, "int64")},
    "GetExecutionsByContextResponse": {"executions": (1, "[Execution]")},
    "GetEventsByExecutionIDsRequest": {"execution_ids": (1, "[int64]")},
    "GetEventsByExecutionIDsResponse": {"events": (1, "[Event]")},
    "GetArtifactsByIDRequest": {"artifact_ids": (1, "[int64]")},
    "GetArtifactsByIDResponse": {"artifacts": (1, "[Artifact]")},
}


@dataclass(frozen=True)
class Execution:
    """What became of a task.

    Attributes:
        state: One of the constants of this module.
        parameters: Values of its output parameters.
        artifacts: URI and metadata of its output artifacts.
    """

    state: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)


def executions(client: Client, run_id: str) -> dict[str, Execution]:
    """Return what became of each task of a run, by the task's name; none before it begins.

    Args:
        client: The connection to the address of KFP's user interface.
        run_id: Id of the run.

    Raises:
        SetupError: If no metadata store answers there.
        DataError: If it refuses.
        IdxpipeError: As `Client.call`.
    """
    ask = functools.partial(_call, client)
    context = ask("GetContextByTypeAndName", type_name=_RUN_CONTEXT, context_name=run_id)
    if context is None or not context.HasField("context"):
        return {}
    found = ask("GetExecutionsByContext", context_id=context.context.id).executions
    ids = [execution.id for execution in found]
    events = ask("GetEventsByExecutionIDs", execution_ids=ids).events if ids else []
    made = [event for event in events if event.type == _OUTPUT]
    wanted = sorted({event.artifact_id for event in made})
    answer = ask("GetArtifactsByID", artifact_ids=wanted).artifacts if wanted else []
    artifacts = {artifact.id: artifact for artifact in answer}
    outputs: dict[int, dict[str, tuple[str, Mapping[str, Any]]]] = {}
    for event in made:
        artifact = artifacts.get(event.artifact_id)
        if artifact is not None and event.path.steps:
            metadata = {
                name: _unwrapped(_plain(value))
                for name, value in artifact.custom_properties.items()
                # The launcher's own.
                if name not in {"display_name", "store_session_info"}
            }
            name = event.path.steps[0].key
            outputs.setdefault(event.execution_id, {})[name] = (artifact.uri, metadata)
    return {
        execution.custom_properties["task_name"].string_value: Execution(
            execution.last_known_state,
            _plain(execution.custom_properties["outputs"]) or {},
            outputs.get(execution.id, {}),
        )
        # The newest last.
        for execution in sorted(found, key=lambda execution: execution.id)
        if "task_name" in execution.custom_properties
    }


def _call(client: Client, method: str, **fields: Any) -> Any:
    """Return the answer's message; None if there is no such thing."""
    messages = _messages()
    request = messages[f"{method}Request"](**fields).SerializeToString()
    frame = struct.pack(">BI", 0, len(request)) + request
    path = _SERVICE + method
    try:
        body, headers = client.exchange(path, frame, "application/grpc-web+proto")
    except UsageError as error:
        raise _no_store(client, str(error.found)) from None
    data, trailers = _unframe(client, body)
    status = trailers.get("grpc-status") or headers.get("grpc-status", "0")
    if status == _NOT_FOUND:
        return None
    if status != "0":
        message = trailers.get("grpc-message") or headers.get("grpc-message", "")
        raise DataError(
            "metadata store refuses the request",
            where=f"{client.endpoint}{path}",
            found=f"grpc-status {status}: {message}",
        )
    from google.protobuf.message import DecodeError

    try:
        return messages[f"{method}Response"].FromString(data)
    except DecodeError:
        raise _no_store(client, repr(data[:40])) from None


def _unframe(client: Client, body: bytes) -> tuple[bytes, dict[str, str]]:
    data, trailers, at = b"", {}, 0
    while at < len(body):
        if len(body) - at < 5:
            raise _no_store(client, repr(body[:40]))
        flags, length = struct.unpack_from(">BI", body, at)
        piece, at = body[at + 5 : at + 5 + length], at + 5 + length
        if at > len(body):
            raise _no_store(client, repr(body[:40]))
        if flags & _TRAILERS:
            for line in piece.decode("ascii", "replace").splitlines():
                name, _, value = line.partition(":")
                trailers[name.strip().lower()] = value.strip()
        else:
            data += piece
    return data, trailers


def _no_store(client: Client, found: str) -> SetupError:
    return SetupError(
        "no metadata store answers at this address",
        where=client.endpoint,
        expected="the address of KFP's user interface, which passes on to its metadata store",
        found=found,
        remedy="kubectl port-forward -n kubeflow svc/ml-pipeline-ui 8080:80, then "
        "--kfp-host http://localhost:8080",
    )


def _plain(value: Any) -> Any:
    """Return an MLMD value as JSON has it."""
    kind = next((name for name in _FIELDS["Value"] if value.HasField(name)), None)
    if kind != "struct_value":
        return getattr(value, kind) if kind else None
    from google.protobuf import json_format

    return json_format.MessageToDict(value.struct_value)


def _unwrapped(plain: Any) -> Any:
    """Return metadata as it was: KFP puts lists and structs into a struct (converter.go)."""
    if isinstance(plain, dict) and plain.keys() in ({"list"}, {"struct"}):
        return next(iter(plain.values()))
    return plain


@functools.cache
def _messages() -> dict[str, Any]:
    """Return the classes of the messages in `_FIELDS`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2

    pool = descriptor_pool.DescriptorPool()
    known = descriptor_pb2.FileDescriptorProto()
    struct_pb2.DESCRIPTOR.CopyToProto(known)
    pool.Add(known)
    file = descriptor_pb2.FileDescriptorProto(
        name="idxpipe_mlmd.proto", package="ml_metadata", dependency=[known.name], syntax="proto2"
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind) in fields.items():
            _add_field(message, field_name, number, kind)
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"ml_metadata.{name}"))
        for name in _FIELDS
    }


def _add_field(message: Any, name: str, number: int, kind: str) -> None:
    added = message.field.add(name=name, number=number)
    inner = kind.strip("[]{}")
    added.label = added.LABEL_OPTIONAL if kind == inner else added.LABEL_REPEATED
    scalar = getattr(added, f"TYPE_{inner.upper()}", None)
    if kind.startswith("{"):
        entry = message.nested_type.add(
            name="".join(word.title() for word in name.split("_")) + "Entry"
        )
        entry.options.map_entry = True
        _add_field(entry, "key", 1, "string")
        _add_field(entry, "value", 2, inner)
        added.type = added.TYPE_MESSAGE
        added.type_name = f".ml_metadata.{message.name}.{entry.name}"
    elif scalar:
        added.type = scalar
    else:
        added.type = added.TYPE_MESSAGE
        added.type_name = inner if inner.startswith(".") else f".ml_metadata.{inner}"
