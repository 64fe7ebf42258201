"""One client of JSON over HTTP: to whom a token goes, and what is tried again."""

import ssl

import pytest

from idxpipe.components.core.errors import TransientError, UsageError
from idxpipe.components.core.google import rest
from tests.fakes.http import JsonServer, Refused


class Echo(JsonServer):
    def answer(self, request):
        return {"path": request.path, "authorization": request.headers.get("authorization")}


class Login:
    """Credentials that carry a token, and count how often they were asked for."""

    def __init__(self, token):
        self.token, self.calls = token, 0

    def __call__(self):
        from google.oauth2.credentials import Credentials

        self.calls += 1
        return Credentials(token=self.token)


def test_trust_13_no_token_leaves_over_plain_http():
    login = Login("secret")
    with Echo() as server:
        answer = rest.Client(server.url, "echo", login).call("GET", "/x")
    assert answer == {"path": "/x", "authorization": None}
    assert login.calls == 0


def test_the_token_is_asked_for_once(certificate, monkeypatch):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "certificate.pem"))
    login = Login("secret")
    with Echo(tls=context) as server:
        client = rest.Client(server.url, "echo", login)
        assert client.call("GET", "/x")["authorization"] == "Bearer secret"
        assert client.call("GET", "/x")["authorization"] == "Bearer secret"
    assert login.calls == 1
    assert "secret" not in repr(client)


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "localhost:80",
        "https://",
        "https://u:p@host",
        "http://10.0.0.1",
        "http://127.0.0.1.x.com",
        "https://host?x=1",
        "https://evil.com\\.googleapis.com",
        "https://evil.com%2f.googleapis.com",
        "https://evil.com\t.googleapis.com",
        "https://evil com",
        "https://evil.com#.googleapis.com",
        "file:///etc/passwd",
        "http://[::1",
        "http://localhost.evil.com",
    ],
)
def test_trust_13_addresses_that_are_refused(endpoint):
    with pytest.raises(UsageError) as caught:
        rest.Client(endpoint, "service")
    assert "u:p" not in str(caught.value)


def test_trust_13_netrc_does_not_replace_a_token(certificate, tmp_path, monkeypatch):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "certificate.pem"))
    (tmp_path / "netrc").write_text("default login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Echo(tls=context) as server:
        answer = rest.Client(server.url, "echo", Login("secret")).call("GET", "/x")
    assert answer["authorization"] == "Bearer secret"
    with Echo() as server:
        answer = rest.Client(server.url, "echo", Login("secret")).call("GET", "/x")
    assert answer["authorization"] is None


@pytest.mark.parametrize(
    "region", ["evil/x", "evil.com/", "us-central1.evil.com", "", "US-central1"]
)
def test_trust_13_a_region_is_no_part_of_an_address(region, monkeypatch):
    monkeypatch.delenv(rest.ENDPOINT_VARIABLE, raising=False)
    with pytest.raises(UsageError, match="region"):
        rest.vertex_client(region)
    assert rest.vertex_client("europe-west4").endpoint.startswith("https://europe-west4-ai")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "[::1]"])
def test_this_machine(host):
    assert rest.Client(f"http://{host}:80", "service")


def test_what_may_not_be_sent_twice_is_sent_once():
    with Echo() as server:
        client = rest.Client(server.url, "echo")
        server.refusals += [Refused(503, "busy")]
        with pytest.raises(TransientError):
            client.call("POST", "/x", body={}, repeatable=False)
        assert len(server.requests) == 1
        # Too many requests: nothing was done.
        server.refusals += [Refused(429, "slowly")]
        assert client.call("POST", "/x", body={}, repeatable=False)["path"] == "/x"


@pytest.mark.parametrize(("asked", "waited"), [("7", 7), ("9999", rest.MAX_PAUSE_SECONDS)])
def test_the_server_says_how_long_to_wait(monkeypatch, asked, waited):
    pauses = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", pauses.append)
    with Echo() as server:
        server.refusals += [Refused(503, "busy", asked)]
        assert rest.Client(server.url, "echo").call("GET", "/x")["path"] == "/x"
    assert pauses == [waited]


def test_what_may_not_be_sent_twice_is_not_even_if_the_server_says_when():
    with Echo() as server:
        server.refusals += [Refused(503, "busy", "1")]
        with pytest.raises(TransientError):
            rest.Client(server.url, "echo").call("POST", "/x", body={}, repeatable=False)
        assert len(server.requests) == 1
