"""What each command for Vertex AI Pipelines does; `submit` speaks to Kubeflow, too."""

import argparse
import dataclasses
import json
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.core.errors import IdxpipeError, UsageError

if TYPE_CHECKING:
    from pipeline.spec import Pipeline
    from pipeline.state import RunRecord
    from pipeline.vertex import Vertex
    from pipeline.vertex_request import Place, Settings

Result = tuple[Any, str]

_JOB_NAME = re.compile(r"projects/([^/]+)/locations/([^/]+)/pipelineJobs/([^/]+)")
_CRON = re.compile(r"((CRON_)?TZ=[A-Za-z0-9_+\-/]+ )?([0-9A-Za-z*/,\-]+ ){4}[0-9A-Za-z*/,\-]+")


def submit(args: argparse.Namespace) -> Result:
    """Submit the compiled pipeline, or part of it."""
    _poll(args)
    if args.kfp_host:
        return _submit_to_kubeflow(args)
    if bool(args.run) != bool(args.from_stage or args.only):
        raise UsageError(
            "a rerun names a stage and a run",
            where="submit",
            expected="--from STAGE or --only STAGE, with --run JOB",
            remedy="idxpipe list",
        )
    from pipeline import vertex_request

    place = _place(args)
    vertex = _vertex(args, place)
    job, name = _rerun(args, vertex) if args.run else _first(args)
    if args.plan:
        return _estimate(args, job)
    if args.dry_run:
        return job, json.dumps(job, indent=2)
    _preflight(args, vertex, job)
    job_id = vertex_request.new_job_id(name)
    created = vertex.create(job, job_id)
    if args.wait:
        _say(_submitted(place, job_id, created)[1])
        return _follow(args, vertex, job_id)
    return _submitted(place, job_id, created)


def status(args: argparse.Namespace) -> Result:
    """Show one run."""
    from pipeline.vertex import console
    from pipeline.vertex_record import problem_of, read

    vertex, job_id = _one_job(args)
    job = vertex.get(job_id)
    record = read(job).record
    lines = [f"{job_id}: {_word(job)}", console(vertex.place, job_id), "", *_summary(record)]
    problem = problem_of(job)
    failed = [task for task in record.tasks.values() if task.error]
    lines += [f"\n{task.name}: {task.error}" for task in [*failed, *([problem] if problem else [])]]
    return _data(vertex.place, job, record), "\n".join(lines)


def wait(args: argparse.Namespace) -> Result:
    """Follow one run to its end."""
    vertex, job_id = _one_job(args)
    return _follow(args, vertex, job_id)


def cancel(args: argparse.Namespace) -> Result:
    """Cancel one run."""
    vertex, job_id = _one_job(args)
    vertex.cancel(job_id)
    return {"job": job_id, "cancelling": True}, f"{job_id} is being cancelled"


def logs(args: argparse.Namespace) -> Result:
    """Say where the logs of one run are."""
    from pipeline.rerun import select
    from pipeline.vertex import console, logging_command
    from pipeline.vertex_record import read

    vertex, job_id = _one_job(args)
    job = vertex.get(job_id)
    stages = sorted(select(read(job).whole, args.stage)) if args.stage else [""]
    commands = [logging_command(vertex.place, job, stage) for stage in stages]
    url = console(vertex.place, job_id)
    return {"job": job_id, "console": url, "commands": commands}, "\n".join([url, *commands])


def list_jobs(args: argparse.Namespace) -> Result:
    """List runs."""
    if args.limit < 1:
        raise UsageError("not right", where="--limit", expected="at least 1", found=args.limit)
    vertex = _vertex(args, _place(args))
    jobs = vertex.jobs(args.filter, args.limit)
    rows = [("job", "status", "created", "name")]
    rows += [
        (_id(job), _word(job), str(job.get("createTime", ""))[:19], str(job.get("displayName", "")))
        for job in jobs
    ]
    data = [{k: v for k, v in job.items() if k != "pipelineSpec"} for job in jobs]
    return data, _columns(rows)


def schedule(args: argparse.Namespace) -> Result:
    """Create, list or delete schedules."""
    vertex = _vertex(args, _place(args))
    if args.list:
        found = vertex.schedules()
        rows = [("schedule", "status", "cron", "next run", "name")]
        rows += [
            (
                _id(entry),
                str(entry.get("state", "")).lower(),
                str(entry.get("cron", "")),
                str(entry.get("nextRunTime", ""))[:19],
                str(entry.get("displayName", "")),
            )
            for entry in found
        ]
        return found, _columns(rows)
    if args.delete:
        vertex.delete_schedule(args.delete)
        return {"schedule": args.delete, "deleted": True}, f"deleted schedule {args.delete}"
    if not _CRON.fullmatch(args.cron):
        raise UsageError(
            "not a cron schedule",
            where="--cron",
            expected="minute hour day month weekday, such as '0 6 * * 1'",
            found=repr(args.cron),
        )
    if args.max_runs < 0:
        raise UsageError("not right", where="--max-runs", expected="0 or more", found=args.max_runs)
    job, name = _first(args)
    if args.dry_run:
        body = vertex.schedule_of(job, args.cron, name, args.max_runs)
        return body, json.dumps(body, indent=2)
    _preflight(args, vertex, job)
    made = vertex.create_schedule(job, args.cron, name, args.max_runs)
    lines = [
        f"schedule {_id(made)}, next run {made.get('nextRunTime', 'not known')}",
        f"delete it: idxpipe schedule --delete {_id(made)} {_flags(vertex.place)}",
    ]
    return made, "\n".join(lines)


def _preflight(args: argparse.Namespace, vertex: "Vertex", job: Mapping[str, Any]) -> None:
    if not args.no_preflight:
        from pipeline.ahead import check_job

        check_job(vertex.place, job, vertex.client.endpoint)


def _estimate(args: argparse.Namespace, job: Mapping[str, Any]) -> Result:
    from pipeline.ahead import estimate
    from pipeline.cli_cloud import read_minutes

    found = estimate(job, read_minutes(args.minutes))
    return found.to_json(), str(found)


def _first(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Return the job for a whole pipeline, and its name."""
    from pipeline import vertex_request
    from pipeline.commands import DATA_PARAMETERS

    settings = _settings(args)
    pipeline, parameters = _pipeline_and_parameters(args)
    vertex_request.check_pipeline(pipeline)
    vertex_request.check_data(parameters, DATA_PARAMETERS)
    job = vertex_request.build(pipeline, parameters, settings)
    if args.no_cache:
        vertex_request.without_cache(job["pipelineSpec"])
    return job, settings.name or pipeline.name


def _rerun(args: argparse.Namespace, vertex: "Vertex") -> tuple[dict[str, Any], str]:
    """Return the job for some stages of an earlier run, and its name."""
    from pipeline import rerun, spec, vertex_request
    from pipeline.catalogue import check_values
    from pipeline.commands import DATA_PARAMETERS
    from pipeline.vertex import go_on

    earlier_id = _job_id(args.run)
    labels = _labels(args)
    if len(earlier_id) < 64:
        labels[vertex_request.EARLIER] = earlier_id
    job = vertex.get(earlier_id)
    settings = _settings(args, job, labels)
    found = vertex.find(earlier_id, job)
    whole = spec.load(args.pipeline) if args.pipeline else found.whole
    _check_simple(whole)
    assignments = args.set + ([f"data={args.data}"] if args.data else [])
    plan = rerun.plan(
        found.record,
        whole,
        stages_from=args.from_stage or None,
        only=args.only or None,
        assignments=assignments,
        go_on=lambda record, stage: go_on(vertex.place, record, stage),
    )
    check_values(plan.parameters)
    vertex_request.check_pipeline(plan.pipeline)
    vertex_request.check_data(plan.parameters, DATA_PARAMETERS)
    body = vertex_request.build(plan.pipeline, plan.parameters, settings)
    # A stage is run again because it was asked for, cached or not.
    forced = None if args.no_cache else plan.force
    vertex_request.without_cache(body["pipelineSpec"], forced)
    return body, settings.name or whole.name


def _pipeline_and_parameters(args: argparse.Namespace) -> tuple["Pipeline", dict[str, Any]]:
    from components.core import storage
    from pipeline import params, spec
    from pipeline.catalogue import check_values

    path = args.pipeline or "pipeline.yaml"
    if not storage.exists(path):
        raise UsageError(
            "no compiled pipeline here",
            where=path,
            remedy="go to the folder that has it, name it with --pipeline, or make it: "
            "idxpipe compile",
        )
    pipeline = spec.load(path)
    values = {"data": args.data} if args.data else {}
    parameters = params.resolve(pipeline.parameters, args.set, values)
    check_values(parameters)
    return pipeline, parameters


def _check_simple(pipeline: "Pipeline") -> None:
    """Refuse to cut what has inputs that only a cluster can compute."""
    found = [f"{t.name}: {c}" for t in pipeline.tasks.values() for c in t.constructs]
    if found:
        raise UsageError(
            "pipeline cannot be cut into stages",
            where=pipeline.name,
            expected="tasks with a container, without loops and conditions",
            found="; ".join(found),
            remedy="submit it as a whole",
        )


def _settings(
    args: argparse.Namespace,
    earlier: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
) -> "Settings":
    """Return the settings that the flags give, or else the earlier run had."""
    from pipeline.vertex_request import Settings

    earlier = earlier or {}
    return Settings(
        root=args.root or earlier.get("runtimeConfig", {}).get("gcsOutputDirectory", ""),
        service_account=args.service_account or earlier.get("serviceAccount", ""),
        network=args.network or earlier.get("network", ""),
        encryption_key=args.encryption_key
        or earlier.get("encryptionSpec", {}).get("kmsKeyName", ""),
        labels=_labels(args) if labels is None else labels,
        name=args.name,
    )


def _labels(args: argparse.Namespace) -> dict[str, str]:
    labels = {}
    for label in args.labels:
        key, separator, value = label.partition("=")
        if not separator:
            raise UsageError("not right", where="--labels", expected="KEY=VALUE", found=repr(label))
        labels[key] = value
    return labels


def _place(args: argparse.Namespace) -> "Place":
    from pipeline.vertex_request import Place

    return Place(args.project, args.region)


def _vertex(args: argparse.Namespace, place: "Place") -> "Vertex":
    from components.core.rest import check_endpoint
    from pipeline.vertex import Vertex

    if args.endpoint:
        check_endpoint(args.endpoint)
    return Vertex(place, args.endpoint)


def _one_job(args: argparse.Namespace) -> tuple["Vertex", str]:
    from pipeline.vertex_request import Place

    match = _JOB_NAME.search(args.job)
    place = Place(match[1], match[2]) if match else _place(args)
    job_id = _job_id(args.job)
    place.job(job_id)
    return _vertex(args, place), job_id


def _job_id(job: str) -> str:
    match = _JOB_NAME.search(job)
    return match[3] if match else job


def _follow(args: argparse.Namespace, vertex: "Vertex", job_id: str) -> Result:
    """Wait for the end of a run; return its record, or raise the error that it ended in.

    Raises:
        IdxpipeError: With the exit code of the stage that failed, where the API tells it.
    """
    from pipeline.failure import error_of
    from pipeline.vertex import console, go_on
    from pipeline.vertex_record import problem_of, read
    from pipeline.vertex_watch import follow

    try:
        job = follow(vertex, job_id, _poll(args))
    except KeyboardInterrupt:
        _say(f"{job_id} runs on; idxpipe wait {job_id}, or idxpipe cancel {job_id}")
        raise
    record = read(job).record
    problem = problem_of(job)
    if problem:
        record = dataclasses.replace(record, tasks={**record.tasks, problem.name: problem})
    error = error_of(_with_log_commands(vertex.place, record), _command(vertex.place, go_on))
    if error:
        raise error
    if job.get("state") != "PIPELINE_STATE_SUCCEEDED":
        raise IdxpipeError(
            "run did not succeed",
            where=job_id,
            found=_word(job),
            remedy=f"look at it: {console(vertex.place, job_id)}",
        )
    return _data(vertex.place, job, record), "\n".join(_summary(record))


def _command(
    place: "Place", go_on: Callable[["Place", "RunRecord", str | None], str]
) -> Callable[["RunRecord", str | None], str]:
    def command(record: "RunRecord", stage: str | None) -> str:
        stages = {name: task for name, task in record.tasks.items() if name != record.run_id}
        if not stages:
            return f"idxpipe status {record.run_id} {_flags(place)}"
        return go_on(place, dataclasses.replace(record, tasks=stages), stage)

    return command


def _with_log_commands(place: "Place", record: "RunRecord") -> "RunRecord":
    """Return the record, each stage with the command that says where its log is."""
    tasks = {
        name: dataclasses.replace(
            task, log=f"idxpipe logs {record.run_id} {name} {_flags(place)}" if task.log else None
        )
        for name, task in record.tasks.items()
    }
    return dataclasses.replace(record, tasks=tasks)


def _submit_to_kubeflow(args: argparse.Namespace) -> Result:
    from pipeline import kubeflow
    from pipeline.commands import DATA_PARAMETERS

    refused = {
        "--from": args.from_stage,
        "--only": args.only,
        "--run": args.run,
        "--project": args.project and not _from_environment(args.project),
        "--network": args.network,
        "--encryption-key": args.encryption_key,
        "--labels": args.labels,
    }
    given = [name for name, value in refused.items() if value]
    if given:
        raise UsageError(
            "flag is for Vertex AI only",
            where=", ".join(given),
            found="together with --kfp-host",
            remedy="leave it out",
        )
    kubeflow.check_host(args.kfp_host)
    pipeline, parameters = _pipeline_and_parameters(args)
    uris = {name: parameters.get(name, "") for name in DATA_PARAMETERS}
    kubeflow.check_uris({"--root": args.root, **uris})
    if args.no_cache:
        from pipeline.vertex_request import without_cache

        without_cache(pipeline.document)
    run = kubeflow.build(
        pipeline,
        parameters,
        root=args.root,
        name=args.name,
        experiment=args.experiment,
        service_account=args.service_account,
    )
    if args.dry_run:
        return run, json.dumps(run, indent=2)
    service = kubeflow.Kubeflow(args.kfp_host)
    made = service.create(run)
    run_id = str(made.get("run_id", ""))
    url = kubeflow.page(args.kfp_host, run_id)
    if args.wait:
        _say(f"submitted {run_id}\n{url}")
        made = service.follow(run_id, _poll(args))
        error = kubeflow.error_of(made, args.kfp_host)
        if error:
            raise error
    data = {"run": run_id, "state": made.get("state"), "page": url}
    return data, f"{'finished' if args.wait else 'submitted'} {run_id}\n{url}"


def _from_environment(project: str) -> bool:
    import os

    return project == os.environ.get("GOOGLE_CLOUD_PROJECT")


def _submitted(place: "Place", job_id: str, job: Mapping[str, Any]) -> Result:
    from pipeline.vertex import console

    url = console(place, job_id)
    lines = [f"submitted {job_id}", url, f"follow it: idxpipe wait {job_id} {_flags(place)}"]
    data = {"job": job_id, "name": job.get("name"), "state": job.get("state"), "console": url}
    return data, "\n".join(lines)


def _data(place: "Place", job: Mapping[str, Any], record: "RunRecord") -> dict[str, Any]:
    """Return a run as JSON values: its record, as `idxpipe run` has it, and where it runs."""
    from pipeline.vertex import console

    extra = {
        "job": record.run_id,
        "name": job.get("name"),
        "state": job.get("state"),
        "console": console(place, record.run_id),
    }
    return {**record.to_json(), **extra}


def _summary(record: "RunRecord") -> list[str]:
    from pipeline import progress

    lines = [progress.format_table(record)]
    for values in progress.metrics(record).values():
        lines += [f"test {name:<12} {value:g}" for name, value in values.items()]
    return lines + [f"report            {uri}" for uri in progress.reports(record).values()]


def _poll(args: argparse.Namespace) -> float:
    poll = float(args.poll)
    if not 0 < poll <= 3600:
        raise UsageError("not right", where="--poll", expected="0 to 3600 seconds", found=poll)
    return poll


def _word(job: Mapping[str, Any]) -> str:
    return str(job.get("state", "unknown")).removeprefix("PIPELINE_STATE_").lower()


def _id(resource: Mapping[str, Any]) -> str:
    return str(resource.get("name", "")).rpartition("/")[2]


def _flags(place: "Place") -> str:
    return shlex.join(["--project", place.project, "--region", place.region])


def _columns(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201
