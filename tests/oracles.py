"""What we send, read strictly by schemas that are not ours: an unknown field is an error."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from google.protobuf import json_format

from tests.fakes.http import Refused


@contextmanager
def as_refusal() -> Iterator[None]:
    """Answer what a schema does not take with 400, as the service would."""
    try:
        yield
    except (json_format.ParseError, ValueError, TypeError) as error:
        raise Refused(400, f"Invalid JSON payload received. {error}") from error


def parse_pipeline_job(body: dict[str, Any]) -> Any:
    """Return a body of pipelineJobs.create as Vertex AI's PipelineJob."""
    from google.cloud.aiplatform_v1.types import PipelineJob

    parse_pipeline_spec(body["pipelineSpec"])
    return PipelineJob.from_json(json.dumps(body), ignore_unknown_fields=False)


def parse_schedule(parent: str, body: dict[str, Any]) -> Any:
    """Return a body of schedules.create as Vertex AI's CreateScheduleRequest."""
    from google.cloud.aiplatform_v1.types import CreateScheduleRequest

    parse_pipeline_spec(body["createPipelineJobRequest"]["pipelineJob"]["pipelineSpec"])
    message = json.dumps({"parent": parent, "schedule": body})
    return CreateScheduleRequest.from_json(message, ignore_unknown_fields=False)


def parse_upload(parent: str, body: dict[str, Any]) -> Any:
    """Return a body of models.upload as Vertex AI's UploadModelRequest."""
    from google.cloud.aiplatform_v1.types import UploadModelRequest

    message = json.dumps({"parent": parent, **body})
    return UploadModelRequest.from_json(message, ignore_unknown_fields=False)


def parse_pipeline_spec(document: dict[str, Any], platform: dict[str, Any] | None = None) -> Any:
    """Return a compiled pipeline as KFP's PipelineSpec, its executors parsed, too."""
    from kfp.pipeline_spec import pipeline_spec_pb2

    executors = document.get("deploymentSpec", {})
    json_format.ParseDict(executors, pipeline_spec_pb2.PipelineDeploymentConfig())
    if platform is not None:
        json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
    return json_format.ParseDict(document, pipeline_spec_pb2.PipelineSpec())


def parse_kubeflow_run(body: dict[str, Any]) -> Any:
    """Return a body of runs.create as the run of KFP's own client.

    Raises:
        ValueError: If a field is none of its model's, or of another type.
    """
    import kfp_server_api

    document = body["pipeline_spec"]
    if "pipeline_spec" in document:
        parse_pipeline_spec(document["pipeline_spec"], document["platform_spec"])
    else:
        parse_pipeline_spec(document)
    _known(body, kfp_server_api.V2beta1Run)
    _known(body["runtime_config"], kfp_server_api.V2beta1RuntimeConfig)
    run = dict(body)
    run["runtime_config"] = kfp_server_api.V2beta1RuntimeConfig(**body["runtime_config"])
    return kfp_server_api.V2beta1Run(**run)


def _known(body: dict[str, Any], model: Any) -> None:
    unknown = body.keys() - set(model.attribute_map.values())
    if unknown:
        raise ValueError(f"{model.__name__} has no {', '.join(sorted(unknown))}")
