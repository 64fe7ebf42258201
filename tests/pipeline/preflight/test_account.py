"""The account that a job runs as."""

import pytest

from idxpipe.pipeline.preflight.check import Status
from tests.fakes.google import ACCOUNT, MEMBER
from tests.pipeline.preflight.looks import fails_with_its_fix, look, the

# Each row: how the world is broken, part of the check's name, part of what is found, of the fix.
BROKEN = {
    "no account": (
        lambda g: g.accounts.clear(),
        f"service account {ACCOUNT}",
        "there is no such account",
        "gcloud iam service-accounts create idxpipe --project=my-project",
    ),
    "account disabled": (
        lambda g: g.accounts[ACCOUNT].update(disabled=True),
        f"service account {ACCOUNT}",
        "is disabled",
        f"gcloud iam service-accounts enable {ACCOUNT}",
    ),
    "not allowed to act as the account": (
        lambda g: g.account_permissions.clear(),
        "you may run jobs as",
        "lacking iam.serviceAccounts.actAs",
        "--role=roles/iam.serviceAccountUser",
    ),
    "account may not use Vertex AI": (
        lambda g: g.project_policy["bindings"].clear(),
        "may use Vertex AI",
        "not granted",
        f"--member={MEMBER} --role=roles/aiplatform.user",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_failure_with_its_fix(google, case):
    fails_with_its_fix(google, *BROKEN[case])


def test_no_service_account_is_worth_a_word(google):
    check = the(look(service_account=""), "service account")
    assert check.status is Status.UNKNOWN
    assert "default account" in check.found
