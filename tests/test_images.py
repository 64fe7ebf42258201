"""The container images: what goes into them, and that it installs and works together."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.cli.main import main
from idxpipe.pipeline.preflight.image_tag import FILES, LENGTH, PACKAGES, image_tag
from tests.idxfiles import write_data_set

ROOT = Path(__file__).parent.parent
DOCKERFILES = ("Dockerfile", "Dockerfile.tpu")
PINNED = "--no-deps --require-hashes --only-binary :all:"
# The one source distribution, built by what is pinned, too.
BUILT = (
    "--no-deps --require-hashes --no-build-isolation --only-binary :all: --no-binary kfp-server-api"
)


def pins(lock):
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))


def test_hadolint_passes():
    hadolint = Path(sys.executable).with_name("hadolint")
    subprocess.run([hadolint, *DOCKERFILES], check=True, cwd=ROOT)


def test_both_start_from_one_base_pinned_by_its_digest():
    bases = {
        re.search(r"^FROM (.+)$", (ROOT / f).read_text(), re.MULTILINE)[1] for f in DOCKERFILES
    }
    (base,) = bases
    assert re.fullmatch(r"python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}", base)


def test_trust_16_packages_are_installed_by_hash_and_the_stages_are_not_root():
    for name, lock in zip(DOCKERFILES, ("${LOCK}", "requirements-tpu.lock"), strict=True):
        text = " ".join((ROOT / name).read_text().replace('"', "").replace("\\\n", "").split())
        assert f"install {PINNED} --requirement /opt/idxpipe/requirements-build.lock" in text
        assert f"install {BUILT} --requirement /opt/idxpipe/{lock}" in text
    for lock in ("requirements.lock", "requirements-gpu.lock", "requirements-tpu.lock"):
        assert "--hash=sha256:" in (ROOT / lock).read_text()
    assert "\nARG RUN_AS=10001\nUSER ${RUN_AS}\n" in (ROOT / "Dockerfile").read_text()


def test_trust_16_make_builds_nothing_by_what_is_not_pinned():
    """In a run of `make`, each install by a lock: with no index, it would take what lies there."""
    said = subprocess.run(
        ["make", "--dry-run", "--always-make", "UV=", "extras"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    ).stdout
    installs = [line for line in said.splitlines() if " install " in line and ".lock" in line]
    assert len(installs) == 3
    for line in installs:
        assert "--require-hashes" in line
        assert "--only-binary :all:" in line
        assert "requirements-build.lock" in line or "--no-build-isolation" in line
    build = pins("requirements-build.lock")
    assert {"setuptools", "wheel"} <= build.keys()
    assert all(pins("requirements.lock")[name] == build[name] for name in build)


def test_the_gpu_image_adds_cuda_alone():
    cpu, gpu = pins("requirements.lock"), pins("requirements-gpu.lock")
    assert cpu.items() <= gpu.items()
    assert all(name.startswith("nvidia-") for name in gpu.keys() - cpu.keys())
    assert "nvidia-cudnn-cu12" in gpu


def test_the_tpu_image_differs_in_tensorflow_alone():
    cpu, tpu = pins("requirements.lock"), pins("requirements-tpu.lock")
    assert {name for name in cpu.keys() & tpu.keys() if cpu[name] != tpu[name]} == set()
    assert (tpu["tensorflow-tpu"], tpu["libtpu"]) == ("2.20.0", "0.0.14")
    assert "tensorflow" not in tpu
    assert cpu["keras"] == tpu["keras"]


def test_nothing_but_the_code_is_sent_to_the_builder():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    kept = {rule[1:] for rule in rules if rule.startswith("!")}
    assert kept >= {"components", "pipeline", "setup.py", "requirements.lock"}
    assert not kept & {"data", "tests", "out", ".git"}


def test_cloud_build_makes_all():
    build = yaml.safe_load((ROOT / "cloudbuild.yaml").read_text())
    assert [image.rpartition("/")[2] for image in build["images"]] == [
        "idxpipe:${_TAG}",
        "idxpipe-gpu:${_TAG}",
        "idxpipe-tpu:${_TAG}",
    ]
    used = {step["args"][2] for step in build["steps"] if step["args"][0] == "build"}
    assert used == set(DOCKERFILES)


@pytest.fixture
def checkout(tmp_path):
    """A copy of all that the tag depends on."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    for name in PACKAGES:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    return folder


def test_the_tag_is_of_the_content(checkout, capsys):
    first = image_tag(str(checkout))
    assert re.fullmatch(rf"[0-9a-f]{{{LENGTH}}}", first)
    (checkout / "notes.txt").write_text("not in the image")
    (checkout / "components" / "__pycache__").mkdir()
    (checkout / "components" / "__pycache__" / "x.pyc").write_bytes(b"\0")
    assert image_tag(str(checkout)) == first
    for name in (
        *FILES,
        "pipeline/cli/main.py",
        "components/train/network/model.py",
        "pipeline/preflight/prices.json",
    ):
        path = checkout / name
        before = path.read_bytes()
        path.write_bytes(before + b"\n")
        assert image_tag(str(checkout)) != first, name
        path.write_bytes(before)
    assert main(["image-tag", "--folder", str(checkout)]) == 0
    assert capsys.readouterr().out.strip() == first


def test_the_tag_needs_a_checkout(tmp_path):
    with pytest.raises(UsageError, match="not a checkout"):
        image_tag(str(tmp_path))


@pytest.fixture(scope="module")
def cpu(tmp_path_factory):
    return install(tmp_path_factory.mktemp("cpu"), "requirements.lock")


@pytest.fixture(scope="module")
def gpu(tmp_path_factory):
    return install(tmp_path_factory.mktemp("gpu"), "requirements-gpu.lock")


@pytest.fixture(scope="module")
def tpu(tmp_path_factory):
    return install(tmp_path_factory.mktemp("tpu"), "requirements-tpu.lock")


@pytest.fixture(scope="module")
def records(cpu, tmp_path_factory):
    """A data set that the image of the other stages validated and converted."""
    folder = tmp_path_factory.mktemp("data")
    write_data_set(folder)
    run(cpu, "validate", "--data", folder)
    for split, name in (("train", "train"), ("test", "t10k")):
        files = [next(folder.glob(f"{name}-{kind}-*")) for kind in ("images", "labels")]
        words = ["--images", files[0], "--labels", files[1], "--split", split]
        run(cpu, "convert", *words, "--output", folder / "records" / split)
    return folder / "records"


@pytest.mark.slow
@pytest.mark.skipif(
    "IDXPIPE_TEST_IMAGES" not in os.environ, reason="installs 10 GB: make test-images"
)
@pytest.mark.parametrize("image", ["cpu", "gpu", "tpu"])
def test_a_model_of_any_image_is_evaluated_by_the_first(image, request, cpu, records, tmp_path):
    """What each image installs, in a fresh venv, at work."""
    trainer = request.getfixturevalue(image)
    words = ["--train-steps", "4", "--iterations", "2", "--batch-size", "8"]
    words += ["--accelerator", "cpu", "--output", tmp_path]
    run(trainer, "train", "--records", records / "train", *words)
    words = ["--model", tmp_path, "--accelerator", "cpu", "--output", tmp_path / "evaluated"]
    run(cpu, "evaluate", "--records", records / "test", *words)
    assert (tmp_path / "evaluated" / "metrics.json").exists()


@pytest.mark.slow
@pytest.mark.skipif(
    "IDXPIPE_TEST_IMAGES" not in os.environ, reason="installs 10 GB: make test-images"
)
def test_the_tpu_image_off_a_tpu_says_so(tpu, records, tmp_path):
    """libtpu would end the process with a signal, or wait for the metadata server."""
    words = ["--records", records / "train", "--output", tmp_path, "--accelerator", "tpu"]
    for kind in ("v5litepod-4", "v3-8", ""):
        done = subprocess.run(
            [tpu / "idxpipe", "train", *words],
            check=False,
            capture_output=True,
            text=True,
            cwd=tpu,
            env={**os.environ, "PYTHONPATH": "", "TPU_ACCELERATOR_TYPE": kind},
            timeout=120,
        )
        assert done.returncode == 5, done.stderr
        assert done.stderr.startswith("error: accelerator: no TPU on this machine")


@pytest.mark.slow
@pytest.mark.skipif(
    "IDXPIPE_TEST_IMAGES" not in os.environ, reason="installs 10 GB: make test-images"
)
@pytest.mark.parametrize(("kind", "loaded"), [("v5litepod-4", True), ("v3-8", False)])
def test_tensorflow_loads_the_plug_in_for_newer_tpus_alone(kind, loaded, tpu):
    """TensorFlow for TPUs itself says whether our variables lead to libtpu's PJRT plug-in."""
    code = (
        "import os, idxpipe.components.core.google.tpu_runtime as runtime\n"
        f"runtime.prepare(os.environ, {kind!r})\n"
        "import tensorflow"
    )
    environment = {**os.environ, "PYTHONPATH": "", "TPU_SKIP_MDS_QUERY": "1"}
    environment["TF_CPP_MIN_LOG_LEVEL"] = "0"
    done = subprocess.run(
        [tpu / "python", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=tpu,
        env=environment,
        timeout=300,
    )
    assert ("PJRT_Api is set for device type tpu" in done.stderr) is loaded


def install(folder, lock):
    """Do what the Dockerfile does; return the folder of the commands."""
    source = folder / "idxpipe"
    source.mkdir()
    for name in (
        *("setup.py", "pyproject.toml", "README.md", "LICENSE", "NOTICE"),
        *("requirements-build.lock", lock),
    ):
        shutil.copy(ROOT / name, source)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    commands = folder / "venv" / "bin"
    pip = [commands / "pip", "--disable-pip-version-check", "install", "--quiet"]
    for words, name in ((PINNED, "requirements-build.lock"), (BUILT, lock)):
        subprocess.run([*pip, *words.split(), "--requirement", source / name], check=True)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", source], check=True)
    subprocess.run([commands / "python", "-m", "kfp.dsl.executor_main", "--help"], check=True)
    return commands


def run(commands, *words):
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        [commands / "idxpipe", *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        cwd=commands,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
