"""Everything that can be known to stop a run on Vertex AI before it starts."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from idxpipe.components.core import storage
from idxpipe.components.core.idx.files import DataConfig
from idxpipe.pipeline.compile import PIPELINE_FILE
from idxpipe.pipeline.preflight.accelerator import check_quota, check_region
from idxpipe.pipeline.preflight.account import check_account
from idxpipe.pipeline.preflight.bucket import (
    Use,
    check_account_access,
    check_bucket,
    check_caller_access,
)
from idxpipe.pipeline.preflight.check import Check, Status, fail, unknown
from idxpipe.pipeline.preflight.data import check_data
from idxpipe.pipeline.preflight.freshness import check_fresh, compile_words, target_of
from idxpipe.pipeline.preflight.image import check_image
from idxpipe.pipeline.preflight.project import (
    check_apis,
    check_caller,
    check_credentials,
    project_number,
)
from idxpipe.pipeline.preflight.services import Services
from idxpipe.pipeline.spec.graph import Pipeline
from idxpipe.pipeline.spec.machines import stages
from idxpipe.pipeline.spec.parse import load
from idxpipe.pipeline.vertex.request import Place
from idxpipe.pipeline.vertex.targets import Target, find_target


@dataclass(frozen=True)
class Plan:
    """A run to look ahead at.

    Attributes:
        place: Project and region.
        root: Where its artifacts go, `gs://...`.
        data: Where the data set is; empty to look at none.
        service_account: What its stages run as; empty leaves that to Vertex AI.
        pipeline: The compiled file; empty to look at no images.
        accelerator: Name from `targets.TARGETS`; empty takes what the file was compiled for.
    """

    place: Place
    root: str
    data: DataConfig = DataConfig()  # noqa: RUF009 (frozen)
    service_account: str = ""
    pipeline: str = ""
    accelerator: str = ""


def preflight(plan: Plan, pipeline: Pipeline | None = None) -> list[Check]:
    """Return the checks that matter before a submission.

    Args:
        plan: The run.
        pipeline: What is submitted, if it is not simply the file that the plan names. Whether a
            file is stale is left to `examine`: compiling takes seconds.

    Raises:
        UsageError: If the accelerator or the pipeline are none.
    """
    return list(_checks(plan, pipeline, fresh=False))


def examine(plan: Plan) -> Iterator[Check]:
    """Yield every check, as it comes out.

    Raises:
        UsageError: If the accelerator or the pipeline are none.
    """
    return _checks(plan, None, fresh=True)


def _checks(plan: Plan, pipeline: Pipeline | None, *, fresh: bool) -> Iterator[Check]:
    if pipeline is None and plan.pipeline:
        pipeline = load(plan.pipeline)
    named = find_target(plan.accelerator) if plan.accelerator else None
    target = named or (target_of(pipeline) if pipeline else None)
    if pipeline and plan.pipeline and fresh:
        yield check_fresh(plan.pipeline, pipeline)

    services = Services()
    login = check_credentials(services)
    yield login
    if login.status is Status.FAIL:
        # Without them every other check would say the same.
        return
    yield from _cloud(services, plan, pipeline, target)


def _cloud(
    services: Services, plan: Plan, pipeline: Pipeline | None, target: Target | None
) -> Iterator[Check]:
    project, region = plan.place.project, plan.place.region
    number, check = project_number(services, project)
    yield check
    yield check_apis(services, project)
    yield check_caller(services, project)
    yield from check_account(services, project, plan.service_account)

    if storage.scheme(plan.root) == "gs":
        yield from _bucket(services, Use("--root", plan.root, project, region), plan, number)
    else:
        fix = f"--root gs://{project}-idxpipe/runs"
        yield fail(f"root {plan.root}", "Vertex AI keeps artifacts in gs:// only", fix)
    uris = plan.data.uris
    for bucket in dict.fromkeys(urlsplit(uri).netloc for uri in uris if uri.startswith("gs://")):
        use = Use("--data", f"gs://{bucket}", project, region)
        yield from _bucket(services, use, plan, number)
    if uris:
        # Its own client would try for minutes.
        offline = unknown(f"data {uris[0]}", "not looked at without a network")
        yield offline if services.lost else check_data(plan.data)

    if pipeline:
        words = compile_words(plan.pipeline or PIPELINE_FILE, pipeline) or ["compile"]
        for image in dict.fromkeys(stage.image for stage in stages(pipeline)):
            # The new name may hold a command for the shell, so it is not quoted.
            command = f"idxpipe {shlex.join(words)}"
            yield check_image(services, plan.place, image, partial(command.replace, image))
    if target and target.machine_type:
        yield check_region(target, region)
        yield check_quota(services, project, region, target)


def _bucket(services: Services, use: Use, plan: Plan, number: str) -> Iterator[Check]:
    checks = check_bucket(services, use, number)
    yield from checks
    if any("no such bucket" in check.found for check in checks):
        return
    yield check_caller_access(services, use)
    if plan.service_account:
        yield check_account_access(services, use, plan.service_account)
