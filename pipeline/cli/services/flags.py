"""Flags of the commands that work on Vertex AI Pipelines and Kubeflow Pipelines."""

import argparse

from idxpipe.pipeline.cli.flags import (
    add_assignments,
    add_no_cache,
    add_pipeline,
    add_place,
    add_text,
)


def add_service(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say which service: a project and region, or an installation."""
    add_vertex(parser)
    what = (
        "on this installation of Kubeflow Pipelines instead: the address of its user interface; a "
        "token is taken from $KFP_TOKEN"
    )
    add_text(parser, "--kfp-host", "URL", what)
    add_text(parser, "--experiment", "ID", "experiment of Kubeflow that the run belongs to")
    what = "namespace of the runs on Kubeflow (default: kubeflow)"
    add_text(parser, "--namespace", "NAME", what)


def add_vertex(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where Vertex AI is."""
    add_place(parser)
    what = (
        "address of the service (default: $IDXPIPE_VERTEX_ENDPOINT, or the region's); "
        "http:// is for this machine only, and sends no credentials"
    )
    add_text(parser, "--endpoint", "URL", what)


def add_one_job(parser: argparse.ArgumentParser) -> None:
    """Add the service and a run of it."""
    add_service(parser)
    parser.add_argument("job", metavar="JOB", help="id or resource name of a run")


def add_poll(parser: argparse.ArgumentParser) -> None:
    """Add the flag that says how often to look."""
    what = "time between two looks at the run (default: 10)"
    parser.add_argument("--poll", type=float, default=10.0, metavar="SECONDS", help=what)


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Add the flag that shows what would be sent."""
    what = "print what would be sent, and send nothing"
    parser.add_argument("--dry-run", action="store_true", help=what)


def add_job(parser: argparse.ArgumentParser) -> None:
    """Add what is run, and the settings of the run."""
    add_text(parser, "--root", "URI", "where artifacts are kept: gs://BUCKET/FOLDER")
    add_text(parser, "--data", "URI", "folder with the four IDX files: gs://BUCKET/FOLDER")
    add_assignments(parser)
    add_pipeline(parser)
    add_text(parser, "--until", "STAGE", "end with this stage")
    add_text(parser, "--name", "TEXT", "what to call it (default: the pipeline's name)")
    add_text(parser, "--service-account", "EMAIL", "account that the stages run as")
    what = "projects/NUMBER/global/networks/NAME to peer with"
    add_text(parser, "--network", "NAME", what)
    add_text(parser, "--encryption-key", "NAME", "Cloud KMS key that protects the run")
    parser.add_argument(
        "--labels",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="label of the run; may be repeated",
    )
    add_no_cache(parser)
    what = "do not check first, as doctor does, what the run needs"
    parser.add_argument("--no-preflight", action="store_true", help=what)
