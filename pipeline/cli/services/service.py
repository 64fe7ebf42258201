"""The two services that runs are submitted to, for the commands that look after runs."""

import argparse
from typing import Protocol

from idxpipe.pipeline.cli.command import Outcome


class Service(Protocol):
    """Looks after the runs of one installation; every method raises `IdxpipeError`."""

    def status(self, job: str) -> Outcome:
        """Show one run."""
        ...

    def follow(self, job: str, poll: float) -> Outcome:
        """Wait for the end of one run, looking every `poll` seconds; end in its error, if any."""
        ...

    def cancel(self, job: str) -> Outcome:
        """Cancel one run."""
        ...

    def logs(self, job: str, stage: str) -> Outcome:
        """Say where the logs of one run are, or of one of its stages."""
        ...

    def list(self, limit: int, expression: str) -> Outcome:
        """List the newest runs, up to `limit`, of those that `expression` fits."""
        ...


def service_of(args: argparse.Namespace) -> Service:
    """Return the service that the flags name.

    Raises:
        UsageError: If the address, the project or the region is invalid.
    """
    if args.kfp_host:
        from idxpipe.pipeline.cli.services.on_kubeflow import OnKubeflow

        return OnKubeflow(args.kfp_host, args.namespace, args.experiment)
    from idxpipe.pipeline.cli.services.on_vertex import OnVertex

    return OnVertex(args.project, args.region, args.endpoint)
