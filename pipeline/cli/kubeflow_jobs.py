"""The commands that look after what runs on Kubeflow Pipelines."""

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

from idxpipe.components.core.errors import IdxpipeError, UsageError
from idxpipe.components.core.narration import say
from idxpipe.pipeline.cli.options import limit_of, poll_of
from idxpipe.pipeline.cli.wording import columns, summary
from idxpipe.pipeline.kubeflow import client as kubeflow
from idxpipe.pipeline.kubeflow.client import Kubeflow

if TYPE_CHECKING:
    from idxpipe.pipeline.state import RunRecord

Result = tuple[Any, str]


def service_of(args: argparse.Namespace) -> Kubeflow:
    """Return the installation that the flags name.

    Raises:
        UsageError: If the address is none.
    """
    kubeflow.check_host(args.kfp_host)
    return Kubeflow(args.kfp_host)


def status(args: argparse.Namespace) -> Result:
    """Show one run."""
    service = service_of(args)
    run = service.get(args.job)
    record = service.record(run, outputs=False).record
    lines = [f"{args.job}: {_word(run)}", kubeflow.page(service.host, args.job), ""]
    lines += summary(record)
    error = _problem(run, record)
    lines += [f"\n{error}", kubeflow.logging_command(args.job, args.namespace)] if error else []
    return _data(service, run, record), "\n".join(lines)


def wait(args: argparse.Namespace) -> Result:
    """Follow one run to its end."""
    return follow_to_the_end(args, service_of(args), args.job)


def cancel(args: argparse.Namespace) -> Result:
    """Cancel one run."""
    service_of(args).cancel(args.job)
    return {"run": args.job, "cancelling": True}, f"{args.job} is being cancelled"


def logs(args: argparse.Namespace) -> Result:
    """Say where the logs of one run are."""
    from idxpipe.pipeline.kubeflow.record import pipeline_of
    from idxpipe.pipeline.rerun import select

    service = service_of(args)
    run = service.get(args.job)
    if args.stage:
        select(pipeline_of(run), args.stage)
    url = kubeflow.page(service.host, args.job)
    command = kubeflow.logging_command(args.job, args.namespace)
    return {"run": args.job, "page": url, "commands": [command]}, f"{url}\n{command}"


def list_jobs(args: argparse.Namespace) -> Result:
    """List runs."""
    if args.filter:
        raise UsageError(
            "flag is for Vertex AI only", where="--filter", found="together with --kfp-host"
        )
    runs = service_of(args).runs(
        limit_of(args), namespace=args.namespace, experiment=args.experiment
    )
    rows = [("run", "status", "created", "name")]
    rows += [
        (
            str(run.get("run_id", "")),
            _word(run),
            str(run.get("created_at", ""))[:19],
            str(run.get("display_name", "")),
        )
        for run in runs
    ]
    return [{k: v for k, v in r.items() if k != "pipeline_spec"} for r in runs], columns(rows)


def follow_to_the_end(args: argparse.Namespace, service: Kubeflow, run_id: str) -> Result:
    """Wait for the end of a run; return its record, or raise the error that it ended in.

    Raises:
        IdxpipeError: If it did not succeed.
    """
    from idxpipe.pipeline.cli.watch import Look, follow
    from idxpipe.pipeline.failure import error_of
    from idxpipe.pipeline.kubeflow.record import FINAL, read

    def look() -> Look[dict[str, Any]]:
        run = service.get(run_id)
        return Look(run, read(run).record, run.get("state") in FINAL)

    try:
        run = follow(look, poll_of(args)).found
    except KeyboardInterrupt:
        flag = f"--kfp-host {service.host}"
        say(f"{run_id} runs on; idxpipe wait {run_id} {flag}, or idxpipe cancel {run_id} {flag}")
        raise
    record = service.record(run, outputs=False).record
    command = kubeflow.logging_command(run_id, args.namespace)
    tasks = {n: dataclasses.replace(task, log=command) for n, task in record.tasks.items()}
    failure = error_of(
        dataclasses.replace(record, tasks=tasks),
        lambda record, stage: kubeflow.go_on(service.host, record, stage),
    )
    if failure:
        raise failure
    if run.get("state") not in {"SUCCEEDED", "SKIPPED"}:
        raise IdxpipeError(
            "run did not succeed",
            where=run_id,
            expected="SUCCEEDED",
            found=" ".join(filter(None, [str(run.get("state")), _message(run)])),
            remedy=f"look at its stages: {kubeflow.page(service.host, run_id)}",
        )
    return _data(service, run, record), "\n".join(summary(record))


def _problem(run: dict[str, Any], record: "RunRecord") -> str:
    failed = [f"{task.name}: {task.error}" for task in record.tasks.values() if task.error]
    return "\n".join(filter(None, [*failed, _message(run)]))


def _message(run: dict[str, Any]) -> str:
    return str((run.get("error") or {}).get("message", ""))


def _word(run: dict[str, Any]) -> str:
    return str(run.get("state", "unknown")).lower()


def _data(service: Kubeflow, run: dict[str, Any], record: "RunRecord") -> dict[str, Any]:
    """Return a run as JSON values: its record, as `idxpipe run` has it, and where it runs."""
    extra = {
        "run": record.run_id,
        "state": run.get("state"),
        "page": kubeflow.page(service.host, record.run_id),
    }
    return {**record.to_json(), **extra}
