"""The caller, the project and its APIs."""

from idxpipe.components.core.errors import DeniedError, IdxpipeError, NotFoundError
from idxpipe.components.core.google.auth import LOGIN
from idxpipe.pipeline.preflight.check import ME, Check, fail, ok, summary, unknown
from idxpipe.pipeline.preflight.services import Services, base_url, name

APIS = ("aiplatform", "storage", "artifactregistry", "compute")
"""Vertex AI, the buckets, the images, and the machines under Vertex AI's custom jobs."""

# Source: https://cloud.google.com/vertex-ai/docs/general/iam-permissions
SUBMITTER = ("aiplatform.pipelineJobs.create", "aiplatform.pipelineJobs.get")


def check_credentials(services: Services) -> Check:
    """Check that there are credentials. Nothing of them is shown but the account's address."""
    what = "credentials"
    try:
        if base_url("storage").startswith("http://"):
            return ok(what, f"none sent to {base_url('storage')}")
        found = services.credentials
    except IdxpipeError as error:
        return fail(what, summary(error), LOGIN)
    account = getattr(found, "service_account_email", "")
    return ok(what, account if "@" in str(account) else "a user's")


def check_apis(services: Services, project: str) -> Check:
    """Check that the APIs are enabled."""
    what = "APIs"
    names = [f"{api}.googleapis.com" for api in APIS]
    parent = f"projects/{name(project)}"
    query = [("names", f"{parent}/services/{api}") for api in names]
    try:
        answer = services.get("serviceusage", f"/v1/{parent}/services:batchGet", query)
    except IdxpipeError as error:
        fix = f"gcloud services list --enabled --project={project}"
        if isinstance(error, NotFoundError | DeniedError):
            return unknown(what, summary(error), fix)
        return unknown(what, summary(error))
    states = {
        service.get("name", "").rpartition("/")[2]: service.get("state")
        for service in answer.get("services", [])
    }
    off = [api for api in names if states.get(api) != "ENABLED"]
    if off:
        fix = f"gcloud services enable {' '.join(off)} --project={project}"
        return fail(what, f"not enabled: {', '.join(off)}", fix)
    return ok(what, f"{', '.join(APIS)} are enabled")


def project_number(services: Services, project: str) -> tuple[str, Check]:
    """Return the number of the project, empty if it cannot be had, and the check of the project."""
    what = f"project {project}"
    try:
        answer = services.get("cloudresourcemanager", f"/v3/projects/{name(project)}")
    except IdxpipeError as error:
        # It answers 403 for a project that does not exist, too.
        fix = f"gcloud projects describe {project}"
        if isinstance(error, NotFoundError | DeniedError):
            return "", fail(what, f"not there, or not yours to see: {summary(error)}", fix)
        return "", unknown(what, summary(error), fix)
    number = str(answer.get("name", "")).rpartition("/")[2]
    state = answer.get("state", "")
    if state != "ACTIVE":
        return number, fail(what, f"is {state}", f"gcloud projects undelete {project}")
    return number, ok(what, f"number {number}")


def check_caller(services: Services, project: str) -> Check:
    """Check that the caller may submit."""
    what = "you may submit"
    try:
        answer = services.post(
            "cloudresourcemanager",
            f"/v1/projects/{name(project)}:testIamPermissions",
            {"permissions": list(SUBMITTER)},
        )
    except IdxpipeError as error:
        return unknown(what, summary(error))
    lacking = [p for p in SUBMITTER if p not in answer.get("permissions", [])]
    if lacking:
        fix = (
            f"gcloud projects add-iam-policy-binding {project} "
            f"--member={ME} --role=roles/aiplatform.user"
        )
        return fail(what, f"lacking {', '.join(lacking)}", fix)
    return ok(what, "aiplatform.pipelineJobs.create")
