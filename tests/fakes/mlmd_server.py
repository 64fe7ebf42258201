"""ML Metadata itself, over gRPC-Web on a port of 127.0.0.1; and what KFP's launcher writes into it.

Runs apart from the tests' packages, with those of ml-metadata: its C++ store answers, we only carry
the bytes. What is written follows kubeflow/pipelines, backend/src/v2/metadata/client.go
(CreateExecution, RecordArtifact, PublishExecution) and converter.go (StructValueToMLMDValue).
"""

import json
import struct
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from ml_metadata.metadata_store import metadata_store
from ml_metadata.metadata_store.pywrap.metadata_store_extension import metadata_store as serialized
from ml_metadata.proto import metadata_store_pb2 as proto

SERVICE = "/ml_metadata.MetadataStoreService/"


def open_store():
    config = proto.ConnectionConfig()
    config.sqlite.SetInParent()
    return metadata_store.MetadataStore(config)


def value(plain):
    if isinstance(plain, str):
        return proto.Value(string_value=plain)
    if isinstance(plain, bool):
        return proto.Value(int_value=int(plain))
    if isinstance(plain, int | float):
        return proto.Value(double_value=plain)
    wrapped = proto.Value()
    wrapped.struct_value.SetInParent()
    wrapped.struct_value.update({"list" if isinstance(plain, list) else "struct": plain})
    return wrapped


def record(store, run):
    """Write the tasks of a run: {run_id, tasks: [{name, state, parameters, artifacts}]}."""
    kind = store.put_context_type(proto.ContextType(name="system.PipelineRun"))
    (context,) = store.put_contexts([proto.Context(type_id=kind, name=run["run_id"])])
    pod = store.put_execution_type(proto.ExecutionType(name="system.ContainerExecution"))
    for task in run["tasks"]:
        state = proto.Execution.State.Value(task["state"])
        execution = proto.Execution(type_id=pod, last_known_state=state)
        execution.custom_properties["display_name"].string_value = task["name"]
        execution.custom_properties["task_name"].string_value = task["name"]
        outputs = execution.custom_properties["outputs"].struct_value
        outputs.SetInParent()
        outputs.update(task["parameters"])
        pairs = []
        for name, (uri, title, metadata) in task["artifacts"].items():
            artifact = proto.Artifact(
                type_id=store.put_artifact_type(proto.ArtifactType(name=title)),
                uri=uri,
                state=proto.Artifact.LIVE,
            )
            for key, plain in metadata.items():
                artifact.custom_properties[key].CopyFrom(value(plain))
            artifact.custom_properties["display_name"].string_value = name
            artifact.custom_properties["store_session_info"].string_value = "{}"
            event = proto.Event(type=proto.Event.OUTPUT)
            event.path.steps.add(key=name)
            pairs.append((artifact, event))
        of = proto.Context(id=context, type_id=kind, name=run["run_id"])
        store.put_execution(execution, pairs, [of])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/record":
            record(self.server.store, json.loads(body))
            return self.reply(b"", "text/plain")
        flags, length = struct.unpack(">BI", body[:5])
        assert (flags, length) == (0, len(body) - 5)
        assert self.headers["Content-Type"] == "application/grpc-web+proto"
        method = getattr(serialized, self.path.removeprefix(SERVICE))
        answer, message, status = method(self.server.store._metadata_store, body[5:])
        frames = b"" if status else struct.pack(">BI", 0, len(answer)) + answer
        trailers = f"grpc-status:{status}\r\ngrpc-message:{message.decode()[:200]}\r\n".encode()
        frames += struct.pack(">BI", 0x80, len(trailers)) + trailers
        return self.reply(frames, "application/grpc-web+proto")

    def reply(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    # One thread: sqlite in memory belongs to the connection that made it.
    server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    server.store = open_store()
    server.serve_forever()
