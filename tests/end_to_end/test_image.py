"""The committed pipeline.yaml in the images that `make images` built, without network.

Each stage is its own command in a new container, as the image's user. Only the launcher reaches the
root: a stage sees what is mounted.
"""

import json
import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from idxpipe.pipeline.preflight.image_tag import image_tag
from tests.end_to_end.test_launcher import S3, SMALL
from tests.end_to_end.test_local import digits
from tests.fakes.launcher import Ended, Launcher
from tests.idxfiles import NAMES, write_idx

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "IDXPIPE_TEST_IMAGES" not in os.environ, reason="builds images: make test-images"
    ),
]
BUILDAH = ("buildah", "--storage-driver", "vfs")
USERS = {"idxpipe": 10001, "idxpipe-tpu": 0}
DATA = "/data"


def has_docker() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@contextmanager
def container(image):
    """Yield what runs a command in an image, without network: (mounts, words) -> process."""
    docker = has_docker()
    if docker:
        name = image
        before = ["docker", "run", "--rm", "--network", "none"]
    else:
        made = subprocess.run([*BUILDAH, "from", "--pull-never", image], **CAPTURE, check=True)
        name = made.stdout.strip()
        # As in a container of docker's: a loopback device, and nothing else.
        network = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "-"]
        before = [*network, *BUILDAH, "run", "--isolation", "chroot"]

    def run(mounts, words):
        volumes = [word for pair in mounts.items() for word in ("--volume", "{}:{}".format(*pair))]
        command = [*before, *volumes, *([name] if docker else [name, "--"]), *words]
        return subprocess.run(command, **CAPTURE, check=False)

    try:
        yield run
    finally:
        if not docker:
            subprocess.run([*BUILDAH, "rm", name], **CAPTURE, check=True)


CAPTURE = {"capture_output": True, "text": True}


@pytest.fixture(scope="module")
def images():
    """The two images of this checkout, by name."""
    with (
        container(f"idxpipe:{image_tag()}") as cpu,
        container(f"idxpipe-tpu:{image_tag()}") as tpu,
    ):
        yield {"idxpipe": cpu, "idxpipe-tpu": tpu}


@dataclass
class Contained(Launcher):
    """The launcher of Kubeflow, whose steps run in containers."""

    images: dict = field(default_factory=dict)
    trainer: str = "idxpipe"
    data: str = ""

    def _execute(self, task, command):
        image = self.trainer if task == "train" else "idxpipe"
        mounts = {self.data: f"{DATA}:ro"}
        # What Kubernetes mounts as empty folders, which the launcher fills as the step's user.
        for name in ("tmp", "minio"):
            (self.disk / name).mkdir(exist_ok=True)
            mounts[str(self.disk / name)] = f"/{name}"
        subprocess.run(["chown", "-R", str(USERS[image]), self.disk], check=True)
        words = [word.replace(str(self.disk), "") for word in command]
        return self.images[image](mounts, words)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    for role, name in NAMES.items():
        write_idx(folder / name, digits(role, 1000 if "train" in role else 200))
    folder.chmod(0o755)
    return str(folder)


def launch(images, store, folder, data, trainer="idxpipe", **settings):
    launcher = Contained(
        f"minio://{store.name}/v2",
        store,
        folder / "disk",
        images=images,
        trainer=trainer,
        data=data,
    )
    launcher.run("pipeline.yaml", data=DATA, **(SMALL | {"train_steps": 60} | settings))
    return launcher


def bucket(moto, name):
    store = S3(moto, name)
    store.name = name
    return store


@pytest.mark.parametrize("trainer", ["idxpipe", "idxpipe-tpu"])
def test_all_stages_run_in_their_image(trainer, images, data, moto, tmp_path):
    store = bucket(moto, f"image-{trainer}")
    done = launch(images, store, tmp_path, data, trainer, min_accuracy=0.5, accelerator="cpu")
    assert set(done.outputs) >= {"validate", "convert-train", "train", "evaluate", "gate"}
    (key,) = [key for key in store.list("v2/") if key.endswith("/metrics.json")]
    store.download(key, str(tmp_path / "metrics.json"))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["num_examples"] == 200
    assert metrics["accuracy"] > 0.5


def test_a_gate_that_is_not_passed_ends_with_its_code(images, data, moto, tmp_path):
    with pytest.raises(Ended) as caught:
        launch(
            images,
            bucket(moto, "image-gate"),
            tmp_path,
            data,
            train_steps=2,
            iterations=2,
            checkpoint_steps=2,
            min_accuracy=1.0,
        )
    assert (caught.value.task, caught.value.code) == ("gate", 4), caught.value.output


def test_stages_are_not_root_and_have_no_network(images, tmp_path):
    done = images["idxpipe"](
        {}, ["python", "-c", "import os; print(os.getuid(), os.environ['HOME'])"]
    )
    assert done.stdout.split() == ["10001", "/home/idxpipe"], done.stderr
    for run in images.values():
        done = run(
            {}, ["python", "-c", "import socket; print([n for _, n in socket.if_nameindex()])"]
        )
        assert done.stdout.strip() == "['lo']", done.stderr


@pytest.mark.parametrize("name", ["idxpipe", "idxpipe-tpu"])
def test_what_no_stage_reads_is_not_there(name, images):
    code = (
        "import glob, sysconfig\n"
        "site = sysconfig.get_path('platlib')\n"
        "unread = ['tensorflow/include', 'clang', '*/tests']\n"
        "print([p for u in unread for p in glob.glob(f'{site}/{u}')] + glob.glob('/opt/idxpipe/*'))"
    )
    done = images[name]({}, ["python", "-c", code])
    assert done.stdout.strip() == "[]", done.stderr


def test_the_tpu_image_off_a_tpu_says_so(images, data, moto, tmp_path):
    with pytest.raises(Ended) as caught:
        launch(
            images, bucket(moto, "image-no-tpu"), tmp_path, data, "idxpipe-tpu", accelerator="tpu"
        )
    assert (caught.value.task, caught.value.code) == ("train", 5), caught.value.output
    assert "no TPU on this machine" in caught.value.output
