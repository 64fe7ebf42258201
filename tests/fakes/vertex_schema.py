"""What the API accepts, from its discovery document and the checks that its documentation names.

https://aiplatform.googleapis.com/$discovery/rest?version=v1
"""

import re

from tests.fakes.http import Refused

JOB_ID = re.compile(r"[a-z][-a-z0-9]{0,127}")
LABEL = re.compile(r"[a-z0-9_-]{1,64}")
JOB = {
    "displayName": str,
    "pipelineSpec": dict,
    "runtimeConfig": dict,
    "labels": dict,
    "serviceAccount": str,
    "network": str,
    "encryptionSpec": dict,
    "templateUri": str,
    "reservedIpRanges": list,
    "preflightValidations": bool,
    "pscInterfaceConfig": dict,
}
CONFIG = {
    "gcsOutputDirectory": str,
    "parameterValues": dict,
    "parameters": dict,
    "failurePolicy": (str, int),
    "inputArtifacts": dict,
}
SCHEDULE = {
    "displayName": str,
    "cron": str,
    "maxConcurrentRunCount": (str, int),
    "maxConcurrentActiveRunCount": (str, int),
    "maxRunCount": (str, int),
    "allowQueueing": bool,
    "startTime": str,
    "endTime": str,
    "createPipelineJobRequest": dict,
}
POLICIES = (
    "PIPELINE_FAILURE_POLICY_UNSPECIFIED",
    "PIPELINE_FAILURE_POLICY_FAIL_SLOW",
    "PIPELINE_FAILURE_POLICY_FAIL_FAST",
)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


TYPES = {
    "NUMBER_INTEGER": lambda v: _number(v) and v == int(v),
    "NUMBER_DOUBLE": _number,
    "STRING": lambda v: isinstance(v, str),
    "BOOLEAN": lambda v: isinstance(v, bool),
    "LIST": lambda v: isinstance(v, list),
    "STRUCT": lambda v: isinstance(v, dict),
}


def check_job(job: object) -> None:
    _shape(job, JOB, "pipeline_job", required=("pipelineSpec", "runtimeConfig"))
    _require(len(job.get("displayName", "")) <= 128, "display_name is longer than 128")
    for key, value in job.get("labels", {}).items():
        _require(bool(LABEL.fullmatch(key)) and key[0].isalpha(), f"label key {key!r}")
        _require(value == "" or bool(LABEL.fullmatch(value)), f"label value {value!r}")
    config = job["runtimeConfig"]
    _shape(config, CONFIG, "runtime_config", required=("gcsOutputDirectory",))
    root = config["gcsOutputDirectory"]
    _require(bool(re.fullmatch(r"gs://[a-z0-9._-]{3,}(/.*)?", root)), f"not a GCS path: {root}")
    policy = config.get("failurePolicy", 0)
    _require(policy in POLICIES or policy in range(len(POLICIES)), f"failure policy {policy}")
    if job.get("encryptionSpec"):
        _shape(job["encryptionSpec"], {"kmsKeyName": str}, "encryption_spec", ("kmsKeyName",))
    _check_spec(job["pipelineSpec"])
    _check_parameters(job["pipelineSpec"], config.get("parameterValues", {}))


def check_schedule(schedule: object) -> None:
    required = ("displayName", "cron", "maxConcurrentRunCount", "createPipelineJobRequest")
    _shape(schedule, SCHEDULE, "schedule", required)
    _require(int(schedule["maxConcurrentRunCount"]) > 0, "max_concurrent_run_count")
    fields = re.sub(r"^(CRON_)?TZ=\S+ ", "", schedule["cron"]).split(" ")
    _require(len(fields) == 5, f"cron {schedule['cron']!r}")
    request = schedule["createPipelineJobRequest"]
    allowed = {"parent": str, "pipelineJob": dict, "pipelineJobId": str}
    _shape(request, allowed, "create_pipeline_job_request", ("parent", "pipelineJob"))
    check_job(request["pipelineJob"])


def _check_spec(spec: dict) -> None:
    allowed = "pipelineInfo schemaVersion sdkVersion root components deploymentSpec"
    _require(spec.keys() <= {*allowed.split(), "defaultPipelineRoot"}, f"fields {sorted(spec)}")
    _require(spec.get("schemaVersion") == "2.1.0", "schema_version is not 2.1.0")
    _require(bool(spec["pipelineInfo"].get("name")), "pipeline_info.name is empty")
    tasks = spec["root"]["dag"]["tasks"]
    _require(bool(tasks), "pipeline has no tasks")
    executors = spec["deploymentSpec"]["executors"]
    for name, task in tasks.items():
        component = spec["components"].get(task["componentRef"]["name"])
        _require(component is not None, f"task {name} has no component")
        _require(component["executorLabel"] in executors, f"task {name} has no executor")
        _require(set(task.get("dependentTasks", ())) <= tasks.keys(), f"task {name} depends")
        declared = component.get("inputDefinitions", {})
        for kind in ("parameters", "artifacts"):
            known = declared.get(kind, {})
            given = task.get("inputs", {}).get(kind, {})
            _require(given.keys() <= known.keys(), f"task {name} has unknown inputs")


def _check_parameters(spec: dict, values: dict) -> None:
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    for name, value in values.items():
        _require(name in declared, f"parameter {name} is not found in the pipeline inputs")
        kind = declared[name]["parameterType"]
        _require(TYPES[kind](value), f"parameter {name} is not a {kind}: {value!r}")
    for name, parameter in declared.items():
        given = name in values or "defaultValue" in parameter or parameter.get("isOptional")
        _require(bool(given), f"parameter {name} is required")


def _shape(value: object, allowed: dict, what: str, required: tuple = ()) -> None:
    _require(isinstance(value, dict), f"{what} is not an object")
    for name, entry in value.items():
        _require(name in allowed, f"Unknown name \"{name}\" at '{what}': Cannot find field.")
        _require(isinstance(entry, allowed[name]), f"Invalid value at '{what}.{name}'")
    for name in required:
        _require(bool(value.get(name)), f"{what}.{name} is required")


def _require(right: bool, message: str) -> None:
    if not right:
        raise Refused(400, f"Invalid PipelineJob: {message}")
