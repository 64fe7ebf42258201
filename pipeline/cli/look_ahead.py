"""Commands that look ahead of a run on Vertex AI: doctor, plan, image-tag."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from idxpipe.pipeline.vertex.targets import TARGETS

Result = tuple[Any, str]
Register = Callable[[str, Callable[[argparse.Namespace], Result], str], argparse.ArgumentParser]


def add_commands(register: Register) -> None:
    """Add the commands; `register` makes the parser of one."""
    doctor_ = register("doctor", doctor, "check all that a run on Vertex AI needs, before it")
    # The same defaults as submit's.
    environment = os.environ
    doctor_.add_argument(
        "--project",
        default=environment.get("GOOGLE_CLOUD_PROJECT", ""),
        metavar="ID",
        help="Google Cloud project (default: $GOOGLE_CLOUD_PROJECT)",
    )
    doctor_.add_argument(
        "--region",
        default=environment.get("CLOUD_ML_REGION") or environment.get("GOOGLE_CLOUD_REGION", ""),
        metavar="REGION",
        help="where it runs (default: $CLOUD_ML_REGION, $GOOGLE_CLOUD_REGION)",
    )
    doctor_.add_argument(
        "--root", required=True, metavar="URI", help="where the artifacts go: gs://BUCKET/FOLDER"
    )
    doctor_.add_argument(
        "--data", default="", metavar="URI", help="folder with the four IDX files, on gs://"
    )
    doctor_.add_argument(
        "--service-account", default="", metavar="EMAIL", help="what the stages run as"
    )
    _pipeline(doctor_)
    doctor_.add_argument(
        "--accelerator",
        default="",
        metavar="NAME",
        help=f"one of {', '.join(TARGETS)} (default: what the pipeline was compiled for)",
    )

    plan_ = register(
        "plan", plan, "estimate what a run on Vertex AI costs, from a dated price table"
    )
    _pipeline(plan_)
    add_minutes(plan_)

    tag = register("image-tag", image_tag, "print the tag of the container images of this code")
    tag.add_argument(
        "--folder", default="", metavar="DIR", help="the checkout (default: of this code)"
    )


def add_minutes(parser: argparse.ArgumentParser) -> None:
    """Add the flag with which durations are put in place of the assumed ones."""
    parser.add_argument(
        "--minutes",
        action="append",
        default=[],
        metavar="STAGE=MINUTES",
        help="duration of a stage in place of the assumed one; may be repeated",
    )


def doctor(args: argparse.Namespace) -> Result:
    """Check everything; exit code 5 if something would stop the run."""
    from idxpipe.components.core.errors import SetupError
    from idxpipe.components.core.idx.files import DataConfig
    from idxpipe.components.core.narration import say
    from idxpipe.pipeline.preflight.check import failures
    from idxpipe.pipeline.preflight.doctor import Plan, examine
    from idxpipe.pipeline.vertex.request import Place

    plan = Plan(
        Place(args.project, args.region),
        args.root,
        DataConfig(data=args.data),
        args.service_account,
        args.pipeline,
        args.accelerator,
    )
    checks = []
    for check in examine(plan):
        checks.append(check)
        if sys.stderr.isatty():
            # Some take seconds; the whole list follows on stdout.
            say(f"{check.status} {check.what}")
    failed = failures(checks)
    args.exit_code = SetupError.exit_code if failed else 0
    data = {"ok": not failed, "checks": [check.to_json() for check in checks]}
    return data, "\n".join(map(str, checks))


def plan(args: argparse.Namespace) -> Result:
    """Estimate the cost of a compiled pipeline."""
    from idxpipe.pipeline.preflight import prices
    from idxpipe.pipeline.spec.parse import load

    estimate = prices.plan(load(args.pipeline), read_minutes(args.minutes))
    return estimate.to_json(), str(estimate)


def image_tag(args: argparse.Namespace) -> Result:
    """Print the content tag of the images."""
    from idxpipe.pipeline.preflight import image_tag as tags

    tag = tags.image_tag(args.folder)
    return {"tag": tag}, tag


def read_minutes(assignments: list[str]) -> dict[str, float]:
    """Return durations by stage, from `STAGE=MINUTES` each.

    Raises:
        UsageError: If one is not of that form.
    """
    from idxpipe.components.core.errors import UsageError

    minutes = {}
    for assignment in assignments:
        stage, _, value = assignment.partition("=")
        try:
            minutes[stage] = float(value)
        except ValueError:
            raise UsageError(
                "not a duration",
                where="--minutes",
                expected="STAGE=MINUTES, such as train=30",
                found=repr(assignment),
            ) from None
    return minutes


def _pipeline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pipeline",
        default="pipeline.yaml",
        metavar="FILE",
        help="the compiled pipeline (default: pipeline.yaml)",
    )
