"""The buckets: there, ours, near, and open to who works on them.

A name of a bucket that is free can be taken by anyone. Whoever takes the name that a tool will use
next gets the artifacts of it, and can plant models in it (bucket squatting: CVE-2026-2473). So the
owner of the root is always compared, and no bucket is ever created here.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from idxpipe.components.core.errors import DeniedError, IdxpipeError, NotFoundError
from idxpipe.pipeline.preflight import policy
from idxpipe.pipeline.preflight.check import ME, Check, fail, ok, summary, unknown
from idxpipe.pipeline.preflight.services import Services, name

READ = ("storage.objects.get", "storage.objects.list")
WRITE = (*READ, "storage.objects.create", "storage.objects.delete")

# Source: https://cloud.google.com/storage/docs/locations
MULTI_REGIONS = {"US": ("us-", "northamerica-"), "EU": ("europe-",), "ASIA": ("asia-",)}


@dataclass(frozen=True)
class Use:
    """A bucket and what it is for.

    Attributes:
        flag: `--root` or `--data`.
        uri: The `gs://` URI given there.
        project: Id of the project that runs.
        region: Region that runs.
    """

    flag: str
    uri: str
    project: str
    region: str

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        return urlsplit(self.uri).netloc

    @property
    def writes(self) -> bool:
        """Whether the run writes to it."""
        return self.flag == "--root"

    @property
    def role(self) -> str:
        """The least role that is enough for the service account."""
        return "roles/storage.objectUser" if self.writes else "roles/storage.objectViewer"


def check_bucket(services: Services, use: Use, number: str) -> list[Check]:
    """Check that a bucket is there, whose it is and where.

    Args:
        services: The services.
        use: The bucket.
        number: Number of the project; empty if it could not be had.
    """
    what = f"bucket {use.bucket} ({use.flag})"
    try:
        bucket = services.get("storage", f"/storage/v1/b/{name(use.bucket)}")
    except IdxpipeError as error:
        return [_absent(what, use, error)]
    return [
        _check_owner(what, use, str(bucket.get("projectNumber", "")), number),
        _check_region(what, use, bucket),
    ]


def check_caller_access(services: Services, use: Use) -> Check:
    """Check that the caller can read the bucket, and write it if the run does."""
    what = f"you can {'read and write' if use.writes else 'read'} {use.bucket}"
    wanted = WRITE if use.writes else READ
    query = [("permissions", permission) for permission in wanted]
    try:
        path = f"/storage/v1/b/{name(use.bucket)}/iam/testPermissions"
        answer = services.get("storage", path, query)
    except IdxpipeError as error:
        return unknown(what, summary(error))
    lacking = [p for p in wanted if p not in answer.get("permissions", [])]
    if lacking:
        fix = _grant(use, ME)
        return fail(what, f"lacking {', '.join(lacking)}", fix)
    return ok(what, ", ".join(wanted))


def check_account_access(services: Services, use: Use, account: str) -> Check:
    """Check that the service account can read the bucket, and write it if the run does.

    Only the account itself could ask what it may do, so this reads the policies.
    """
    what = f"{account} can {'read and write' if use.writes else 'read'} {use.bucket}"
    member = f"serviceAccount:{account}"
    roles = policy.WRITERS if use.writes else policy.READERS
    seen: list[dict[str, Any]] = []
    hidden: list[str] = []
    for source, read in (("bucket", _bucket_policy), ("project", _project_policy)):
        try:
            seen.append(read(services, use))
        except IdxpipeError as error:
            hidden.append(f"the policy of the {source} cannot be read: {summary(error)}")
        else:
            if policy.holds(seen[-1], member, roles):
                return ok(what, f"granted by the policy of the {source}")
    if not hidden and not any(policy.may_hold(each, roles) for each in seen):
        return fail(what, "granted by neither the bucket nor the project", _grant(use, member))
    reason = "; ".join(hidden) or "a group, a condition or a custom role may grant it"
    return unknown(what, f"only the account itself can tell: {reason}", _grant(use, member))


def _absent(what: str, use: Use, error: IdxpipeError) -> Check:
    if isinstance(error, NotFoundError):
        fix = (
            f"gcloud storage buckets create gs://{use.bucket} --project={use.project} "
            f"--location={use.region} --uniform-bucket-level-access --public-access-prevention"
        )
        if not use.writes:
            fix = f"gcloud storage ls --project={use.project}"
        return fail(what, "there is no such bucket", fix)
    if isinstance(error, DeniedError):
        found = "you may not look at it, so whose it is cannot be told"
        fix = (
            f"gcloud storage buckets add-iam-policy-binding gs://{use.bucket} "
            f"--member={ME} --role=roles/storage.bucketViewer"
        )
        # Not to know whose bucket one writes to is what squatting lives on.
        return fail(what, found, fix) if use.writes else unknown(what, found, fix)
    return unknown(what, summary(error))


def _check_owner(what: str, use: Use, owner: str, number: str) -> Check:
    what = f"{what} is of project {use.project}"
    if not number or not owner:
        fix = f"gcloud storage buckets describe gs://{use.bucket} --format='value(projectNumber)'"
        return unknown(what, f"the bucket is of project number {owner or 'unknown'}", fix)
    if owner == number:
        return ok(what, f"project number {number}")
    found = f"it is of project number {owner}, not {number}"
    if use.writes:
        fix = (
            f"gcloud storage buckets create gs://{use.project}-idxpipe --project={use.project} "
            f"--location={use.region} --uniform-bucket-level-access --public-access-prevention"
        )
        return fail(what, f"{found}: somebody else would hold your models", fix)
    return unknown(what, f"{found}: data to trust?")


def _check_region(what: str, use: Use, bucket: dict[str, Any]) -> Check:
    what = f"{what} is in {use.region}"
    location = str(bucket.get("location", "")).upper()
    placed = bucket.get("customPlacementConfig", {}).get("dataLocations", [])
    regions = [str(region).lower() for region in placed]
    near = (
        location.lower() == use.region
        or use.region in regions
        or use.region.startswith(MULTI_REGIONS.get(location, ("\0",)))
    )
    if near:
        return ok(what, location)
    if bucket.get("locationType") == "dual-region" and not placed:
        page = "https://cloud.google.com/storage/docs/locations#predefined"
        return unknown(what, f"it is in the dual region {location}", f"see its regions: {page}")
    fix = (
        f"gcloud storage buckets create gs://{use.project}-{use.region} --project={use.project} "
        f"--location={use.region} --uniform-bucket-level-access --public-access-prevention"
    )
    return fail(what, f"it is in {location}: slow, and every byte is charged", fix)


def _bucket_policy(services: Services, use: Use) -> dict[str, Any]:
    return services.get("storage", f"/storage/v1/b/{name(use.bucket)}/iam")


def _project_policy(services: Services, use: Use) -> dict[str, Any]:
    path = f"/v1/projects/{name(use.project)}:getIamPolicy"
    return services.post("cloudresourcemanager", path, {})


def _grant(use: Use, member: str) -> str:
    return (
        f"gcloud storage buckets add-iam-policy-binding gs://{use.bucket} "
        f"--member={member} --role={use.role}"
    )
