"""The variables that TensorFlow needs for a TPU, by generation."""

import http.client
import http.server
import threading

import pytest

from idxpipe.components.core.errors import SetupError
from idxpipe.components.core.google import tpu_runtime
from idxpipe.components.core.google.tpu_runtime import PJRT, accelerator_type, prepare

LIBRARY = "TF_PLUGGABLE_DEVICE_LIBRARY_PATH"


@pytest.fixture
def libtpu(tmp_path, monkeypatch):
    (tmp_path / "libtpu").mkdir()
    (tmp_path / "libtpu" / "__init__.py").touch()
    (tmp_path / "libtpu" / "libtpu.so").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "libtpu", raising=False)
    return str(tmp_path / "libtpu" / "libtpu.so")


@pytest.mark.parametrize("kind", ["v5litepod-4", "v5p-8", "v6e-4", "ct5lp-hightpu-4t"])
def test_newer_generations_get_the_plug_in(kind, libtpu):
    environment = {}
    assert prepare(environment, kind) == "PJRT"
    assert environment == {**PJRT, LIBRARY: libtpu}


@pytest.mark.parametrize("kind", ["v2-8", "v3-8", "v4-8", ""])
def test_older_generations_get_nothing(kind, libtpu):
    environment = {}
    assert prepare(environment, kind) == "TFRT"
    assert not environment


def test_a_custom_job_names_the_runtime_and_the_image_has_the_library(libtpu):
    environment = dict(PJRT)
    assert prepare(environment, "") == "PJRT"
    assert environment[LIBRARY] == libtpu


def test_what_the_user_set_stays(libtpu):
    environment = {"PJRT_DEVICE": "CPU", LIBRARY: "/mine.so"}
    assert prepare(environment, "v5litepod-1") == "TFRT"
    assert environment["PJRT_DEVICE"] == "CPU"
    assert environment[LIBRARY] == "/mine.so"


def test_a_machine_says_its_type(monkeypatch):
    monkeypatch.setenv("TPU_ACCELERATOR_TYPE", "v5litepod-4")
    assert accelerator_type() == "v5litepod-4"


@pytest.mark.parametrize(
    ("devices", "found"),
    [
        ([("0x1ae0", "0x0063")] * 4 + [("0x1ae0", "0x0042"), ("0x8086", "0x0063")], (4, "v5e")),
        ([("0x1ae0", "0x005e")], (1, "v4")),
        ([("0x1ae0", "0x0042")], (0, "")),
        ([], (0, "")),
    ],
)
def test_chips_are_counted_among_the_pci_devices(devices, found, tmp_path):
    for number, (vendor, device) in enumerate(devices):
        (tmp_path / f"0000:00:0{number}.0").mkdir()
        (tmp_path / f"0000:00:0{number}.0" / "vendor").write_text(f"{vendor}\n")
        (tmp_path / f"0000:00:0{number}.0" / "device").write_text(f"{device}\n")
    (tmp_path / "gone").mkdir()
    assert tpu_runtime.chips(str(tmp_path)) == found


@pytest.mark.parametrize("file", ["accel0", "vfio/0"])
def test_a_machine_without_a_tpu_is_refused(file, tmp_path):
    with pytest.raises(SetupError, match="no TPU on this machine") as caught:
        tpu_runtime.check_present(str(tmp_path), str(tmp_path))
    assert caught.value.exit_code == 5
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    tpu_runtime.check_present(str(tmp_path), str(tmp_path))


@pytest.mark.parametrize(("present", "set_to"), [(False, "1"), (True, None)])
def test_libtpu_asks_nobody_where_there_is_no_tpu(present, set_to, monkeypatch):
    monkeypatch.setattr(tpu_runtime, "is_present", lambda: present)
    environment = {}
    tpu_runtime.ask_nobody(environment)
    assert environment.get("TPU_SKIP_MDS_QUERY") == set_to


def test_a_user_may_have_libtpu_ask(monkeypatch):
    monkeypatch.setattr(tpu_runtime, "is_present", lambda: False)
    environment = {"TPU_SKIP_MDS_QUERY": "0"}
    tpu_runtime.ask_nobody(environment)
    assert environment == {"TPU_SKIP_MDS_QUERY": "0"}


def test_the_pci_ids_are_jaxs():
    from jax._src import hardware_utils

    theirs = hardware_utils._TPU_PCI_DEVICE_IDS
    assert tpu_runtime._GOOGLE == hardware_utils._GOOGLE_PCI_VENDOR_ID
    for number, generation in tpu_runtime._GENERATIONS.items():
        name = theirs[number].name.replace("tpu7x", "v7x")
        assert name in generation, number


def test_nobody_is_asked_off_google(monkeypatch):
    monkeypatch.delenv("TPU_ACCELERATOR_TYPE", raising=False)
    monkeypatch.setattr(tpu_runtime, "_on_google", lambda: False)
    monkeypatch.setattr(http.client, "HTTPConnection", None)
    assert not accelerator_type()


@pytest.fixture
def metadata_server(monkeypatch):
    """Answer as the page on the metadata of instances says, header included."""
    answers = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.path == "/computeMetadata/v1/instance/attributes/accelerator-type"
            known = known and self.headers["Metadata-Flavor"] == "Google"
            self.send_response(answers["status"] if known else 403)
            self.end_headers()
            self.wfile.write(answers["body"])

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(tpu_runtime, "_METADATA_HOST", f"127.0.0.1:{server.server_port}")
    monkeypatch.setattr(tpu_runtime, "_on_google", lambda: True)
    for name in ("TPU_ACCELERATOR_TYPE", "TPU_SKIP_MDS_QUERY"):
        monkeypatch.delenv(name, raising=False)
    yield answers
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"v5litepod-4\n", "v5litepod-4"),
        (404, b"not found", ""),
        (200, b"v5\x1b[31m", ""),
    ],
)
def test_the_metadata_tells_the_type(metadata_server, status, body, kind):
    metadata_server.update(status=status, body=body)
    assert accelerator_type() == kind


def test_a_metadata_server_that_is_gone_tells_nothing(metadata_server, monkeypatch):
    monkeypatch.setattr(tpu_runtime, "_METADATA_HOST", "127.0.0.1:9")
    assert not accelerator_type()
