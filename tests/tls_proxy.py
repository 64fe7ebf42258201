"""Leads TensorFlow's own gs:// client to an emulator: it knows no variable for one.

It honours HTTPS_PROXY, CURL_CA_BUNDLE and GOOGLE_AUTH_TOKEN_FOR_TESTING, so a proxy that ends TLS
with a certificate of its own can stand in for Google's hosts.
"""

import datetime
import ssl
import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from tests.faults import FaultyProxy, _Handler

HOSTS = ("storage.googleapis.com", "www.googleapis.com")


class _TlsHandler(_Handler):
    server: "TlsProxy"

    def do_CONNECT(self) -> None:
        self.send_response_only(200)
        self.end_headers()
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)
        self.close_connection = False

    def forward(self) -> None:
        if self.headers["Host"].startswith("storage."):
            # Objects at their public address; the emulator has them at that of the JSON API.
            bucket, _, name = urlsplit(self.path).path.lstrip("/").partition("/")
            self.path = f"/storage/v1/b/{bucket}/o/{quote(unquote(name), safe='')}?alt=media"
            self.server.downloads += 1
        super().forward()

    do_GET = do_POST = do_PUT = do_DELETE = forward


class TlsProxy(FaultyProxy):
    """A proxy without faults that speaks TLS for Google's hosts."""

    def __init__(self, target: str, certificate: Path) -> None:
        super().__init__(target, share=0, seed=0)
        self.RequestHandlerClass = _TlsHandler
        self.downloads = 0
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)


@contextmanager
def tls_proxy(target: str, folder: Path):
    """Yield a `TlsProxy` and the environment that leads TensorFlow through it."""
    certificate = folder / "certificate.pem"
    certificate.write_bytes(_certificate())
    proxy = TlsProxy(target, certificate)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield (
            proxy,
            {
                "HTTPS_PROXY": proxy.url,
                "CURL_CA_BUNDLE": str(certificate),
                "GOOGLE_AUTH_TOKEN_FOR_TESTING": "token",
            },
        )
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()


def _certificate() -> bytes:
    """Return a new key and a certificate for `HOSTS` that signs itself, as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(h) for h in HOSTS]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)
