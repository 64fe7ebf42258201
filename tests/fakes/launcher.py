"""What Kubeflow Pipelines does around a step: driver and launcher, written from their source.

Source: kubeflow/pipelines at release 2.15 and later, backend/src/v2/component/launcher_v2.go
(downloadArtifacts, prepareOutputFolders, execute, collectOutputParameters, uploadOutputArtifacts,
getPlaceholders, LocalPathForURI), backend/src/v2/objectstore/object_store.go (UploadBlob,
DownloadBlob) and backend/src/v2/driver/driver.go (generateOutputURI). The launcher alone has the
credentials of the object store; the step's process has none. The spec is parsed as Google's proto.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Protocol

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from idxpipe.pipeline.local import mounts

REPOSITORY = Path(__file__).resolve().parents[2]
# What would let a step reach a store by itself.
_CREDENTIALS = re.compile(r"AWS_|GOOGLE_|STORAGE_EMULATOR_HOST|CLOUDSDK|BOTO")


class Bucket(Protocol):
    """An object store, for the launcher."""

    def list(self, prefix: str) -> list[str]: ...
    def download(self, key: str, path: str) -> None: ...
    def upload(self, path: str, key: str) -> None: ...


@dataclass
class Ended(Exception):
    """A step that ended with another code than 0."""

    task: str
    code: int
    output: str


@dataclass
class Launcher:
    """Runs a compiled pipeline under a root such as `minio://mlpipeline/v2/artifacts`."""

    root: str
    bucket: Bucket
    # Where a container's / is: /minio, /s3, /gcs, /tmp.
    disk: Path
    outputs: dict[str, Any] = field(default_factory=dict)
    # What a test may look at between two tasks.
    before: Callable[[str], None] = lambda task: None

    def run(self, file: str, **parameters: Any) -> None:
        """Run all tasks, one after another.

        Raises:
            Ended: If a step fails.
        """
        import yaml

        (first, *_) = yaml.safe_load_all(Path(file).read_text())
        spec = json_format.ParseDict(first, pipeline_spec_pb2.PipelineSpec())
        tasks = spec.root.dag.tasks
        run = str(uuid.uuid4())
        given = {
            name: _value(parameters.get(name, _plain(parameter.default_value)))
            for name, parameter in spec.root.input_definitions.parameters.items()
        }
        # The driver starts a task when those that it depends on have ended.
        graph = {name: set(task.dependent_tasks) for name, task in tasks.items()}
        for name in TopologicalSorter(graph).static_order():
            self.before(name)
            self._run_task(spec, name, given, f"{self.root}/{spec.pipeline_info.name}/{run}")

    def _run_task(self, spec, name, given, folder) -> None:
        task = spec.root.dag.tasks[name]
        component = spec.components[task.component_ref.name]
        executors = spec.deployment_spec["executors"]
        container = json_format.MessageToDict(executors[component.executor_label]["container"])
        message = self._executor_input(task, component, given, f"{folder}/{name}/{uuid.uuid4()}")
        body = _as_go(json_format.MessageToDict(message))
        # A new pod has an empty disk.
        shutil.rmtree(self.disk, ignore_errors=True)
        self._download(message)
        self._prepare(message)
        words = [*container.get("command", []), *container.get("args", [])]
        # Our components take nothing but the whole message.
        command = [word.replace("{{$}}", json.dumps(body)) for word in words]
        done = self._execute(name, command)
        if done.returncode:
            raise Ended(name, done.returncode, done.stdout + done.stderr)
        self.outputs[name] = self._collect(message, component)

    def _execute(self, task: str, command: list[str]) -> subprocess.CompletedProcess:
        """Run a task's command on this machine; what runs it in a container overrides this."""
        return subprocess.run(
            command,
            cwd=self.disk,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def _executor_input(self, task, component, given, folder):
        message = pipeline_spec_pb2.ExecutorInput()
        for name, source in task.inputs.parameters.items():
            kind = source.WhichOneof("kind")
            if kind == "runtime_value":
                value = source.runtime_value.constant
            elif kind == "component_input_parameter":
                value = given[source.component_input_parameter]
            else:
                output = source.task_output_parameter
                value = _value(
                    self.outputs[output.producer_task]["parameters"][output.output_parameter_key]
                )
            message.inputs.parameter_values[name].CopyFrom(value)
        for name, source in task.inputs.artifacts.items():
            output = source.task_output_artifact
            found = self.outputs[output.producer_task]["artifacts"][output.output_artifact_key]
            message.inputs.artifacts[name].artifacts.add().CopyFrom(found)
        for name, output in component.output_definitions.artifacts.items():
            message.outputs.artifacts[name].artifacts.add(
                name=name, uri=f"{folder}/{name}", type=output.artifact_type
            )
        scratch = self.disk / "tmp"
        for name in component.output_definitions.parameters:
            file = str(scratch / "kfp" / "outputs" / name)
            message.outputs.parameters[name].output_file = file
        message.outputs.output_file = str(scratch / "kfp_outputs" / "output_metadata.json")
        return message

    def _download(self, message) -> None:
        for listed in message.inputs.artifacts.values():
            for artifact in listed.artifacts:
                key, local = self._key(artifact.uri), self._local(artifact.uri)
                # Everything with this prefix is listed, and what is not below it is skipped.
                for name in self.bucket.list(key):
                    if name == key or name.startswith(f"{key}/"):
                        path = local + name.removeprefix(key)
                        os.makedirs(os.path.dirname(path), exist_ok=True)
                        self.bucket.download(name, path)

    def _prepare(self, message) -> None:
        files = [output.output_file for output in message.outputs.parameters.values()]
        for listed in message.outputs.artifacts.values():
            files += [self._local(artifact.uri) for artifact in listed.artifacts]
        for file in [*files, message.outputs.output_file]:
            os.makedirs(os.path.dirname(file), exist_ok=True)

    def _collect(self, message, component) -> dict[str, Any]:
        reported = pipeline_spec_pb2.ExecutorOutput()
        if os.path.exists(message.outputs.output_file):
            json_format.Parse(Path(message.outputs.output_file).read_text(), reported)
        values = {name: _plain(v) for name, v in reported.parameter_values.items()}
        for name, output in message.outputs.parameters.items():
            kind = component.output_definitions.parameters[name].parameter_type
            if name not in values:
                text = Path(output.output_file).read_text()
                values[name] = text if kind == kind.STRING else json.loads(text)
        artifacts = {}
        for name, listed in message.outputs.artifacts.items():
            (artifact,) = listed.artifacts
            for other in reported.artifacts[name].artifacts[:1]:
                artifact.uri = other.uri or artifact.uri
                artifact.metadata.MergeFrom(other.metadata)
            self._upload(self._local(artifact.uri), self._key(artifact.uri))
            artifacts[name] = artifact
        return {"parameters": values, "artifacts": artifacts}

    def _upload(self, local: str, key: str) -> None:
        """Upload a file or a folder; that nothing is there is no error."""
        if os.path.isfile(local):
            self.bucket.upload(local, key)
        for folder, _, names in os.walk(local):
            for name in names:
                path = os.path.join(folder, name)
                self.bucket.upload(path, f"{key}/{os.path.relpath(path, local)}")

    def _local(self, uri: str) -> str:
        scheme, _, rest = uri.partition("://")
        folder = {"gs": "gcs", "minio": "minio", "s3": "s3"}[scheme]
        return str(self.disk / folder / rest)

    def _key(self, uri: str) -> str:
        return uri.partition("://")[2].partition("/")[2]

    def _environment(self) -> dict[str, str]:
        """Return a pod's: no credentials, and / where the test has it."""
        site = self.disk / "site"
        site.mkdir(parents=True)
        shutil.copyfile(mounts.__file__, site / "sitecustomize.py")
        kept = {name: value for name, value in os.environ.items() if not _CREDENTIALS.match(name)}
        return kept | {
            "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
            "PYTHONPATH": f"{site}:{REPOSITORY / 'tests' / 'absent'}:{REPOSITORY}",
            "HOME": str(self.disk),
            "TMPDIR": str(self.disk / "tmp"),
            # What asks Amazon's metadata server gets no answer in a cluster elsewhere.
            "AWS_EC2_METADATA_DISABLED": "true",
            mounts.VARIABLE: str(self.disk),
        }


def _value(plain: Any):
    from google.protobuf import struct_pb2

    return json_format.ParseDict(plain, struct_pb2.Value())


def _plain(value) -> Any:
    return _as_go(json_format.MessageToDict(value))


def _as_go(plain: Any) -> Any:
    """Write whole numbers without a point, as Go's protojson does."""
    if isinstance(plain, dict):
        return {key: _as_go(value) for key, value in plain.items()}
    if isinstance(plain, list):
        return [_as_go(value) for value in plain]
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain
