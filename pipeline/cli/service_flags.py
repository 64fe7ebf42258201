"""The flags of the commands that work on Vertex AI Pipelines and Kubeflow."""

import argparse
import os
from collections.abc import Callable
from typing import Any

from idxpipe.pipeline.cli import jobs as commands
from idxpipe.pipeline.cli.flags import add_assignments, add_stages
from idxpipe.pipeline.cli.look_ahead import add_minutes
from idxpipe.pipeline.cli.schedule import schedule as schedule_command
from idxpipe.pipeline.cli.submit import submit as submit_command

Command = Callable[[argparse.Namespace], tuple[Any, str]]
Add = Callable[[str, Command, str], argparse.ArgumentParser]


def add_commands(add: Add) -> None:
    """Add the commands.

    Args:
        add: Adds one, given its name, its function and its help, and returns its parser.
    """
    submit = add("submit", submit_command, "run the pipeline on Vertex AI or Kubeflow")
    _add_place(submit)
    _add_job(submit)
    _add_rerun(submit)
    _add_poll(submit)
    submit.add_argument("--wait", action="store_true", help="follow the run to its end")
    submit.add_argument(
        "--dry-run", action="store_true", help="print what would be sent, and send nothing"
    )
    submit.add_argument(
        "--plan", action="store_true", help="print what it will cost, and send nothing"
    )
    add_minutes(submit)
    _add_kubeflow(submit)

    status = add("status", _either("status"), "show the stages of a run on Vertex AI or Kubeflow")
    _add_one_job(status)

    wait = add("wait", _either("wait"), "follow such a run to its end; exit as it did")
    _add_one_job(wait)
    _add_poll(wait)

    cancel = add("cancel", _either("cancel"), "cancel such a run")
    _add_one_job(cancel)

    logs = add("logs", _either("logs"), "say where the logs of such a run are")
    _add_one_job(logs)
    logs.add_argument("stage", nargs="?", default="", metavar="STAGE", help="of this stage only")

    jobs = add("list", _either("list_jobs"), "list such runs, the newest first")
    _add_place(jobs)
    _add_kubeflow(jobs)
    jobs.add_argument(
        "--filter",
        default="",
        metavar="EXPR",
        help="in the API's language, such as state=PIPELINE_STATE_FAILED",
    )
    jobs.add_argument("--limit", type=int, default=20, metavar="N", help="at most (default: 20)")

    schedule = add("schedule", schedule_command, "run the pipeline on Vertex AI again and again")
    _add_place(schedule)
    what = schedule.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--cron",
        default="",
        metavar="CRON",
        help="when: minute, hour, day, month, weekday; 'TZ=Europe/Zurich 0 6 * * 1' for a time "
        "zone other than UTC",
    )
    what.add_argument("--list", action="store_true", help="list the schedules")
    what.add_argument("--delete", default="", metavar="ID", help="delete a schedule")
    _add_job(schedule)
    schedule.add_argument(
        "--max-runs", type=int, default=0, metavar="N", help="stop after N runs (default: never)"
    )
    schedule.add_argument(
        "--dry-run", action="store_true", help="print what would be sent, and send nothing"
    )


def _either(name: str) -> Command:
    """Return the command of this name for Vertex AI, which with `--kfp-host` is Kubeflow's."""

    def run(args: argparse.Namespace) -> tuple[Any, str]:
        if args.kfp_host:
            from idxpipe.pipeline.cli import kubeflow_jobs as kubeflow_commands

            theirs: Command = getattr(kubeflow_commands, name)
            return theirs(args)
        ours: Command = getattr(commands, name)
        return ours(args)

    return run


def _add_kubeflow(parser: argparse.ArgumentParser) -> None:
    _text(
        parser,
        "--kfp-host",
        "URL",
        "on this installation of Kubeflow Pipelines instead: the address of its user interface; a "
        "token is taken from $KFP_TOKEN",
    )
    _text(parser, "--experiment", "ID", "experiment of Kubeflow that the run belongs to")
    _text(parser, "--namespace", "NAME", "namespace of the runs on Kubeflow (default: kubeflow)")


def _add_place(parser: argparse.ArgumentParser) -> None:
    project = os.environ.get("GOOGLE_CLOUD_PROJECT", "")
    region = os.environ.get("CLOUD_ML_REGION") or os.environ.get("GOOGLE_CLOUD_REGION", "")
    parser.add_argument(
        "--project",
        default=project,
        metavar="ID",
        help="Google Cloud project (default: $GOOGLE_CLOUD_PROJECT)",
    )
    parser.add_argument(
        "--region",
        default=region,
        metavar="REGION",
        help="where it runs (default: $CLOUD_ML_REGION, $GOOGLE_CLOUD_REGION)",
    )
    parser.add_argument(
        "--endpoint",
        default="",
        metavar="URL",
        help="address of the service (default: $IDXPIPE_VERTEX_ENDPOINT, or the region's); "
        "http:// is for this machine only, and sends no credentials",
    )


def _add_one_job(parser: argparse.ArgumentParser) -> None:
    _add_place(parser)
    _add_kubeflow(parser)
    parser.add_argument("job", metavar="JOB", help="id or resource name of a run")


def _add_poll(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--poll",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="time between two looks at the run (default: 10)",
    )


def _add_job(parser: argparse.ArgumentParser) -> None:
    _text(parser, "--root", "URI", "where artifacts are kept: gs://BUCKET/FOLDER")
    _text(parser, "--data", "URI", "folder with the four IDX files: gs://BUCKET/FOLDER")
    add_assignments(parser)
    _text(parser, "--pipeline", "FILE", "the compiled pipeline (default: pipeline.yaml)")
    _text(parser, "--name", "TEXT", "what to call it (default: the pipeline's name)")
    _text(parser, "--service-account", "EMAIL", "account that the stages run as")
    _text(parser, "--network", "NAME", "projects/NUMBER/global/networks/NAME to peer with")
    _text(parser, "--encryption-key", "NAME", "Cloud KMS key that protects the run")
    parser.add_argument(
        "--labels",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="label of the run; may be repeated",
    )
    parser.add_argument(
        "--no-cache", action="store_true", help="run every stage, even if nothing changed"
    )
    parser.add_argument(
        "--no-preflight",
        action="store_true",
        help="do not check first, as doctor does, what the run needs",
    )


def _add_rerun(parser: argparse.ArgumentParser) -> None:
    add_stages(parser)
    _text(
        parser, "--run", "JOB", "the earlier run, whose parameters and settings count if not given"
    )


def _text(parser: argparse.ArgumentParser, name: str, metavar: str, text: str) -> None:
    parser.add_argument(name, default="", metavar=metavar, help=text)
