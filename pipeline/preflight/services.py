"""Google's services, each by the address of its REST API."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

from idxpipe.components.core.errors import UnreachableError, UsageError
from idxpipe.components.core.google.auth import find_credentials
from idxpipe.components.core.google.rest import Client, check_endpoint, is_loopback

OVERRIDE = "IDXPIPE_API_ENDPOINT"


def base_url(service: str) -> str:
    """Return the address of a service, such as `storage`.

    `$IDXPIPE_API_ENDPOINT` stands in for all of them, in tests.

    Raises:
        UsageError: If that is set to anything but plain http to this machine: credentials for one
            service must not be sent to an address that the environment names.
    """
    override = os.environ.get(OVERRIDE, "")
    if not override:
        return f"https://{service}.googleapis.com"
    if not override.startswith("http://") or not is_loopback(check_endpoint(override, plain=True)):
        raise UsageError(
            "only a server on this machine can stand in for Google's",
            where=f"${OVERRIDE}",
            expected="http://127.0.0.1:PORT",
            found=repr(override),
        )
    return override


@dataclass(frozen=True)
class Services:
    """Clients of the services, which log in once between them.

    Attributes:
        login: Returns the credentials.
    """

    login: Callable[[], Any] = lambda: find_credentials()[0]
    _clients: dict[str, Client] = field(default_factory=dict, repr=False)
    _lost: list[UnreachableError] = field(default_factory=list, repr=False)

    @cached_property
    def credentials(self) -> Any:
        """The credentials, found once.

        Raises:
            SetupError: If there are none.
        """
        return self.login()

    @property
    def lost(self) -> bool:
        """Whether there turned out to be no network."""
        return bool(self._lost)

    def get(self, service: str, path: str, query: Any = ()) -> dict[str, Any]:
        """Read a resource; `query` is a mapping or pairs, as `urlencode` takes them.

        Raises:
            IdxpipeError: As `Client.call`.
        """
        return self._call(service, "GET", path + (f"?{urlencode(query)}" if query else ""))

    def post(self, service: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method that changes nothing, such as testIamPermissions.

        Raises:
            IdxpipeError: As `Client.call`.
        """
        return self._call(service, "POST", path, body)

    def _call(
        self, service: str, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        # Without a network every further call would wait through its own retries.
        if self._lost:
            raise self._lost[0]
        if service not in self._clients:
            self._clients[service] = Client(
                base_url(service), f"{service}.googleapis.com", login=lambda: self.credentials
            )
        try:
            return self._clients[service].call(method, path, body=body)
        except UnreachableError as error:
            self._lost.append(error)
            raise


def name(text: str) -> str:
    """Return `text` as one segment of a path."""
    return quote(text, safe="")
