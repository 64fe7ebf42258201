"""JSON over HTTPS with Google credentials: timeouts, retries, and errors that say what to do."""

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from idxpipe.components.core.errors import (
    PROXY_REFUSES,
    DeniedError,
    IdxpipeError,
    NotFoundError,
    SetupError,
    TransientError,
    UnreachableError,
    UsageError,
    proxy_refuses,
)
from idxpipe.components.core.google import auth as google_auth
from idxpipe.components.core.google.connections import breakable_adapter, breaker
from idxpipe.components.core.narration import awaiting, patience

ATTEMPTS = 5
PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 30.0
TIMEOUT_SECONDS = (10.0, 60.0)  # to connect, and between bytes of the answer
LONGEST_SECONDS = 360.0  # in all, with every attempt

_NETLOC = re.compile(r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_REGION = re.compile(r"[a-z]+(?:-[a-z]+\d+)?")

ENDPOINT_VARIABLE = "IDXPIPE_VERTEX_ENDPOINT"

# What passes by itself: https://cloud.google.com/apis/design/errors#handling_errors
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


class ConflictError(UsageError):
    """A resource of this name exists already.

    Attributes:
        retried: Whether an earlier attempt of the same call may have made it.
    """

    retried = False


_REFUSALS: dict[int, tuple[type[IdxpipeError], str, str | None]] = {
    401: (SetupError, "credentials are not accepted", None),
    403: (DeniedError, "permission denied", None),
    404: (NotFoundError, "not found", None),
    408: (TransientError, "service is slow", "try again later"),
    409: (ConflictError, "exists already", None),
    429: (TransientError, "quota is used up, or too many requests", "try again later"),
}


@dataclass(frozen=True)
class Client:
    """A REST service at one address.

    Attributes:
        endpoint: `https://host`, or `http://` for this machine only.
        service: Its name, for the errors.
        login: Returns the credentials to use; called at the first request.
        how_to_log_in: What to do when they are not accepted.
        plain: Allow plain http to other machines, without credentials.
        advise: Given the HTTP status and the server's message, returns what to do about it.
    """

    endpoint: str
    service: str
    login: Callable[[], Any] = lambda: google_auth.find_credentials()[0]
    how_to_log_in: str = google_auth.LOGIN
    plain: bool = False
    advise: Callable[[int, str], str | None] = lambda status, message: None
    _sessions: dict[bool, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Check the address.

        Raises:
            UsageError: If it is none, or plain http to another machine.
        """
        check_endpoint(self.endpoint, plain=self.plain)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        repeatable: bool = True,
    ) -> dict[str, Any]:
        """Send one request and return the answer.

        Args:
            method: `GET`, `POST` or `DELETE`.
            path: What follows the endpoint, with a leading slash.
            query: Query parameters.
            body: JSON to send.
            repeatable: Whether the request may be sent twice without harm. One that may not is
                repeated only when the server says that it did nothing.

        Raises:
            UsageError: If the server refuses the request.
            NotFoundError: If it knows no such resource.
            ConflictError: If the resource exists already.
            SetupError: If credentials are missing or expired.
            DeniedError: If they lack a permission.
            TransientError: If the server is busy, after several attempts.
            UnreachableError: If it cannot be reached.
        """
        answer, retried = self._send(method, path, repeatable, params=query, json=body)
        return self._read(answer, retried=retried)

    def exchange(
        self, path: str, data: bytes, content_type: str
    ) -> tuple[bytes, Mapping[str, str]]:
        """Send bytes that may be sent twice; return the answer's bytes and headers.

        Raises:
            IdxpipeError: As `call`.
        """
        headers = {"Content-Type": content_type, "Accept": content_type}
        answer, retried = self._send("POST", path, True, data=data, headers=headers)
        if answer.status_code >= 300:
            raise self._refusal(answer.status_code, answer.reason or "", retried=retried)
        return answer.content, answer.headers

    def _send(self, method: str, path: str, repeatable: bool, **what: Any) -> tuple[Any, bool]:
        """Return the answer, and whether it is that to a second attempt."""
        import requests
        from google.auth import exceptions

        try:
            with awaiting(self.service, patience(LONGEST_SECONDS), breaker()):
                answer = self._session(repeatable=repeatable).request(
                    method,
                    self.endpoint.rstrip("/") + path,
                    timeout=TIMEOUT_SECONDS,
                    # An API does not send its clients elsewhere; a login page in front of it does.
                    allow_redirects=False,
                    **what,
                )
        except requests.RequestException as error:
            raise self._unreachable(error) from None
        except exceptions.TransportError as error:
            raise self._unreachable(error, "server of access tokens") from None
        except exceptions.GoogleAuthError:
            raise self._no_token() from None
        return answer, bool(answer.raw.retries and answer.raw.retries.history)

    def _session(self, *, repeatable: bool) -> Any:
        if repeatable not in self._sessions:
            from google.auth.transport.requests import AuthorizedSession

            # A token is never sent over plain http.
            plain = self.endpoint.startswith("http://")
            other = self._sessions.get(not repeatable)
            if other:
                credentials = other.credentials
            else:
                credentials = google_auth.anonymous() if plain else self.login()
            options: dict[str, Any] = {"refresh_status_codes": ()} if plain else {}
            session = AuthorizedSession(credentials, **options)
            google_auth.ignore_netrc(session)
            adapter = breakable_adapter(max_retries=_retry(repeatable=repeatable))
            for scheme in ("http://", "https://"):
                session.mount(scheme, adapter)
            self._sessions[repeatable] = session
        return self._sessions[repeatable]

    def _read(self, answer: Any, *, retried: bool) -> dict[str, Any]:
        try:
            content = answer.json() if answer.content else {}
        except ValueError:
            content = None
        if answer.status_code < 300 and isinstance(content, dict):
            return content
        if answer.status_code < 400:
            raise SetupError(
                "answer is not JSON",
                where=self.endpoint,
                expected=self.service,
                found=answer.headers.get("Content-Type", "no content type"),
                remedy="check the endpoint; a proxy or login page may stand in between",
            )
        raise self._refusal(answer.status_code, _message(content, answer.reason), retried=retried)

    def _refusal(self, status: int, message: str, *, retried: bool) -> IdxpipeError:
        if status == 407:
            return proxy_refuses(self.endpoint, f"{status}: {message}")
        error, problem, usual = _REFUSALS.get(status) or (
            (TransientError, "service fails", "try again later")
            if status >= 500
            else (UsageError, "request is refused", None)
        )
        remedy = self.advise(status, message) or (self.how_to_log_in if status == 401 else usual)
        refusal = error(problem, where=self.service, found=f"{status}: {message}", remedy=remedy)
        if isinstance(refusal, ConflictError):
            refusal.retried = retried
        return refusal

    def _unreachable(self, error: Exception, where: str = "") -> IdxpipeError:
        if PROXY_REFUSES in _reason(error):
            return proxy_refuses(self.endpoint, _reason(error))
        return UnreachableError(
            "service cannot be reached",
            where=where or self.endpoint,
            expected=None if where else self.service,
            found=_reason(error),
            remedy="check the network and the address, then try again",
        )

    def _no_token(self) -> SetupError:
        # google.auth quotes the token server's answer, which is better not repeated.
        return SetupError(
            "credentials are expired or revoked", where=self.service, remedy=self.how_to_log_in
        )


def vertex_client(
    region: str,
    endpoint: str = "",
    advise: Callable[[int, str], str | None] = lambda status, message: None,
) -> Client:
    """Return a client of Vertex AI.

    Args:
        region: The region, such as `us-central1`.
        endpoint: Address in place of the region's; by default `$IDXPIPE_VERTEX_ENDPOINT`, if set.
        advise: As in `Client`.

    Raises:
        UsageError: If the endpoint is no address, or plain http to another machine; or if the
            environment names one that is neither Google's nor on this machine: credentials are
            not sent where only a variable says so.
    """
    address = endpoint or os.environ.get(ENDPOINT_VARIABLE, "")
    if address and not endpoint:
        host = check_endpoint(address)
        if not is_loopback(host) and not host.endswith(".googleapis.com"):
            raise UsageError(
                "not an address of Google's",
                where=f"${ENDPOINT_VARIABLE}",
                expected="https://....googleapis.com, or http://127.0.0.1:PORT",
                found=address,
                remedy="unset it, or name the address with --endpoint",
            )
    if not address and not _REGION.fullmatch(region):
        raise UsageError(
            "invalid value", where="region", expected="a region, such as us-central1", found=region
        )
    return Client(
        address or f"https://{region}-aiplatform.googleapis.com", "Vertex AI", advise=advise
    )


def check_endpoint(endpoint: str, *, plain: bool = False) -> str:
    """Check the address of a service, and return its host.

    Args:
        endpoint: The address.
        plain: Allow plain http to other machines.

    Raises:
        UsageError: If it is none, or plain http to another machine.
    """
    try:
        parts = urlsplit(endpoint)
        host = parts.hostname or ""
        # Strictly: of anything else urllib3, which connects, may take another part for the host.
        right = parts.scheme in {"http", "https"} and bool(_NETLOC.fullmatch(parts.netloc))
        right = right and parts.port != 0 and not (parts.query or parts.fragment)
        # Tabs and line ends are dropped by urlsplit.
        right = right and endpoint.isprintable()
    except ValueError:
        right, host = False, ""
    if not right:
        raise UsageError(
            "not the address of a service",
            where="endpoint",
            expected="https://HOST[:PORT]",
            found=repr(endpoint if "@" not in endpoint else "an address with a password"),
        )
    if parts.scheme == "http" and not plain and not is_loopback(host):
        raise UsageError(
            "plain http is for this machine only",
            where="endpoint",
            expected="https://",
            found=endpoint,
            remedy="use https, or forward a port to http://localhost",
        )
    return host


def is_loopback(host: str) -> bool:
    """Tell whether `host` is this machine, by its name or address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _retry(*, repeatable: bool) -> Any:
    """Return how a request is tried again: with growing, jittered pauses, or as the server asks."""
    from urllib3.util import Retry

    class Refused(Retry):
        """Tries again only where the server says that it did nothing."""

        RETRY_AFTER_STATUS_CODES = frozenset({429})

    kind, codes = (Retry, TRANSIENT) if repeatable else (Refused, {429})
    errors = None if repeatable else 0
    return kind(
        total=ATTEMPTS - 1,
        read=errors,
        other=errors,
        status_forcelist=codes,
        allowed_methods=None,
        backoff_factor=PAUSE_SECONDS,
        backoff_jitter=PAUSE_SECONDS,
        backoff_max=MAX_PAUSE_SECONDS,
        retry_after_max=int(MAX_PAUSE_SECONDS),
        raise_on_status=False,
    )


def _message(content: Any, reason: str) -> str:
    """Return the message of an error: google.rpc.Status as JSON, or grpc-gateway's form of it."""
    if isinstance(content, dict):
        error = content.get("error", content)
        if isinstance(error, str):
            return error
        if isinstance(error, dict) and error.get("message"):
            return str(error["message"])
    return reason or "no message"


def _reason(error: Exception) -> str:
    """Return the innermost cause, without the noise of the layers around it."""
    inner: Any = error
    while True:
        following = getattr(inner, "reason", None) or inner.__cause__ or inner.__context__
        if not isinstance(following, BaseException):
            break
        inner = following
    text = str(inner) or type(inner).__name__
    return text.rpartition(">: ")[2]
