"""Who holds which role, as far as the policies of a bucket and a project say."""

from collections.abc import Collection
from typing import Any

# Source: https://cloud.google.com/storage/docs/access-control/iam-roles
READERS = frozenset(
    f"roles/{role}"
    for role in (
        "storage.objectViewer",
        "storage.objectUser",
        "storage.objectAdmin",
        "storage.admin",
        "editor",
        "owner",
    )
)
WRITERS = READERS - {"roles/storage.objectViewer"}
AGENTS = frozenset({"roles/aiplatform.user", "roles/aiplatform.admin", "roles/editor"}) | {
    "roles/owner"
}


def holds(policy: dict[str, Any], member: str, roles: Collection[str]) -> bool:
    """Tell whether a policy grants `member` one of `roles`, without a condition."""
    return any(
        binding.get("role") in roles
        and member in binding.get("members", [])
        and "condition" not in binding
        for binding in policy.get("bindings", [])
    )


def may_hold(policy: dict[str, Any], roles: Collection[str]) -> bool:
    """Tell whether a policy may grant one of `roles` by what cannot be looked into from here.

    That is a group, a domain, a condition or a role of the project's own.
    """
    for binding in policy.get("bindings", []):
        role = str(binding.get("role", ""))
        custom = role.startswith(("projects/", "organizations/"))
        closed = "condition" in binding or any(
            not str(member).startswith(("user:", "serviceAccount:"))
            for member in binding.get("members", [])
        )
        if custom or (closed and role in roles):
            return True
    return False
