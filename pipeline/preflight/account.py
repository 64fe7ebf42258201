"""The service account that the stages run as."""

from idxpipe.components.core.errors import IdxpipeError, NotFoundError
from idxpipe.pipeline.preflight import policy
from idxpipe.pipeline.preflight.check import ME, Check, fail, ok, summary, unknown
from idxpipe.pipeline.preflight.services import Services, name

ACT_AS = "iam.serviceAccounts.actAs"


def check_account(services: Services, project: str, account: str) -> list[Check]:
    """Check that the account is there, that the caller may use it and that it may use Vertex AI."""
    what = f"service account {account or 'not given'}"
    if not account:
        found = "Vertex AI takes Compute Engine's default account, which often may do everything"
        fix = f"gcloud iam service-accounts create idxpipe --project={project}"
        return [unknown(what, found, fix)]
    home = account.partition("@")[2].partition(".")[0]
    try:
        answer = services.get(
            "iam", f"/v1/projects/{name(project)}/serviceAccounts/{name(account)}"
        )
    except IdxpipeError as error:
        if isinstance(error, NotFoundError):
            user = account.partition("@")[0]
            fix = f"gcloud iam service-accounts create {user} --project={home or project}"
            return [fail(what, "there is no such account", fix)]
        return [unknown(what, summary(error))]
    if answer.get("disabled"):
        fix = f"gcloud iam service-accounts enable {account} --project={project}"
        return [fail(what, "is disabled", fix)]
    return [
        ok(what, "is there"),
        _check_act_as(services, account),
        _check_role(services, project, account),
    ]


def _check_act_as(services: Services, account: str) -> Check:
    what = f"you may run jobs as {account}"
    try:
        answer = services.post(
            "iam",
            f"/v1/projects/-/serviceAccounts/{name(account)}:testIamPermissions",
            {"permissions": [ACT_AS]},
        )
    except IdxpipeError as error:
        return unknown(what, summary(error))
    if ACT_AS in answer.get("permissions", []):
        return ok(what, ACT_AS)
    fix = (
        f"gcloud iam service-accounts add-iam-policy-binding {account} "
        f"--member={ME} --role=roles/iam.serviceAccountUser"
    )
    return fail(what, f"lacking {ACT_AS}", fix)


def _check_role(services: Services, project: str, account: str) -> Check:
    what = f"{account} may use Vertex AI"
    member = f"serviceAccount:{account}"
    fix = (
        f"gcloud projects add-iam-policy-binding {project} "
        f"--member={member} --role=roles/aiplatform.user"
    )
    try:
        found = services.post(
            "cloudresourcemanager", f"/v1/projects/{name(project)}:getIamPolicy", {}
        )
    except IdxpipeError as error:
        return unknown(what, f"the policy of the project cannot be read: {summary(error)}", fix)
    if policy.holds(found, member, policy.AGENTS):
        return ok(what, "granted by the policy of the project")
    if policy.may_hold(found, policy.AGENTS):
        return unknown(what, "a group, a condition or a custom role may grant it", fix)
    return fail(what, "not granted by the policy of the project", fix)
