"""Looking after runs on Kubeflow Pipelines."""

import dataclasses
import shlex
from typing import TYPE_CHECKING, Any

from idxpipe.components.core.errors import IdxpipeError, UsageError
from idxpipe.components.core.narration import say
from idxpipe.pipeline.cli.command import Outcome
from idxpipe.pipeline.cli.summary import summary
from idxpipe.pipeline.kubeflow import client as kubeflow
from idxpipe.pipeline.kubeflow.client import Kubeflow

if TYPE_CHECKING:
    from idxpipe.pipeline.state import RunRecord


def kubeflow_at(host: str) -> Kubeflow:
    """Return the installation at an address.

    Raises:
        UsageError: If the address is none.
    """
    kubeflow.check_host(host)
    return Kubeflow(host)


@dataclasses.dataclass(frozen=True)
class OnKubeflow:
    """An installation of Kubeflow Pipelines, as `service.Service` describes one.

    Attributes:
        host: Address of its user interface.
        namespace: Namespace of the runs; empty is the default.
        experiment: Experiment of the runs that are listed; empty is any.
    """

    host: str
    namespace: str
    experiment: str

    def status(self, job: str) -> Outcome:
        """Show one run."""
        service = kubeflow_at(self.host)
        run = service.get(job)
        record = service.record(run, outputs=False).record
        lines = [f"{job}: {_word(run)}", kubeflow.page(service.host, job), "", *summary(record)]
        error = _problem(run, record)
        lines += [f"\n{error}", kubeflow.logging_command(job, self.namespace)] if error else []
        return Outcome(_data(service, run, record), "\n".join(lines))

    def follow(self, job: str, poll: float) -> Outcome:
        """Wait for the end of a run; return its record, or raise the error that it ended in.

        Raises:
            IdxpipeError: If it did not succeed.
        """
        from idxpipe.pipeline.cli.services.watch import Look, follow
        from idxpipe.pipeline.failure import error_of
        from idxpipe.pipeline.kubeflow.record import FINAL, read

        def look() -> Look[dict[str, Any]]:
            run = service.get(job)
            return Look(run, read(run).record, run.get("state") in FINAL)

        service = kubeflow_at(self.host)
        try:
            run = follow(look, poll).found
        except KeyboardInterrupt:
            flags = shlex.join([job, "--kfp-host", service.host])
            say(f"{job} runs on; idxpipe wait {flags}, or idxpipe cancel {flags}")
            raise
        record = service.record(run, outputs=False).record
        command = kubeflow.logging_command(job, self.namespace)
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
                where=job,
                expected="SUCCEEDED",
                found=" ".join(filter(None, [str(run.get("state")), _message(run)])),
                remedy=f"look at its stages: {kubeflow.page(service.host, job)}",
            )
        return Outcome(_data(service, run, record), "\n".join(summary(record)))

    def cancel(self, job: str) -> Outcome:
        """Cancel one run."""
        kubeflow_at(self.host).cancel(job)
        return Outcome({"run": job, "cancelling": True}, f"{job} is being cancelled")

    def logs(self, job: str, stage: str) -> Outcome:
        """Say where the logs of one run are."""
        from idxpipe.pipeline.kubeflow.record import pipeline_of
        from idxpipe.pipeline.rerun import select

        service = kubeflow_at(self.host)
        run = service.get(job)
        if stage:
            select(pipeline_of(run), stage)
        url = kubeflow.page(service.host, job)
        command = kubeflow.logging_command(job, self.namespace)
        return Outcome({"run": job, "page": url, "commands": [command]}, f"{url}\n{command}")

    def list(self, limit: int, expression: str) -> Outcome:
        """List runs."""
        from idxpipe.pipeline.cli.tables import table

        if expression:
            raise UsageError(
                "flag is for Vertex AI only", where="--filter", found="together with --kfp-host"
            )
        runs = kubeflow_at(self.host).runs(
            limit, namespace=self.namespace, experiment=self.experiment
        )
        rows = [
            (
                str(run.get("run_id", "")),
                _word(run),
                str(run.get("created_at", ""))[:19],
                str(run.get("display_name", "")),
            )
            for run in runs
        ]
        data = [{k: v for k, v in run.items() if k != "pipeline_spec"} for run in runs]
        return Outcome(data, table("run", "status", "created", "name", rows=rows))


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
