"""What is shipped: the code and the report's template, but not the digits."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

from markdown_it import MarkdownIt
from packaging.requirements import Requirement

from tests.idxfiles import make_arrays, write_data_set


def test_the_wheel(built):
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "idxpipe/components/evaluate/report.html" in names
    assert "idxpipe/components/validate/page.html" in names
    assert "idxpipe/pipeline/preflight/prices.json" in names
    assert "idxpipe/pipeline/cli/main.py" in names
    assert "idxpipe/schemas/metrics.schema.json" in names
    assert (
        zipfile.ZipFile(wheel).read("idxpipe/pipeline.yaml") == Path("pipeline.yaml").read_bytes()
    )
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {"idxpipe"}


def test_converting_needs_neither_tensorflow_nor_kubeflow(built):
    (wheel,) = built.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
    lines = message_from_bytes(archive.read(name)).get_all("Requires-Dist")

    def installed(extra):
        needs = map(Requirement, lines)
        return {n.name for n in needs if not n.marker or n.marker.evaluate({"extra": extra})}

    heavy = {"tensorflow", "keras", "pillow", "kfp", "PyYAML", "tensorboard"}
    assert not installed("") & heavy
    assert "apache-beam" in installed("")
    assert installed("all") == installed("") | heavy | {"s3fs", "urllib3"}
    assert "idxpipe/components/convert/beam/worker-requirements.txt" in archive.namelist()


def test_idxpipe_converts_where_only_that_is_installed(tmp_path):
    code = """
import sys
for name in ("tensorflow", "keras", "PIL", "kfp", "apitools", "distributed"):
    sys.modules[name] = None
from idxpipe.pipeline.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
    names = ("t10k-images-idx3", "t10k-labels-idx1")
    images, labels = (f"data/mnist/{name}-ubyte.gz" for name in names)
    words = ["convert", "--images", images, "--labels", labels, "--output", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "dataset.json").exists()


def test_the_source_distribution(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    assert any(name.endswith("/pipeline.yaml") for name in names)
    assert any(name.endswith("/docs/metrics.schema.json") for name in names)
    assert any(name.endswith("/idxpipe/components/convert/stage.py") for name in names)
    assert not [name for name in names if "/data/" in name or "/tests/" in name]


def described(folder, url):
    """Return the metadata of the distribution, as a package index gets them."""
    for name in (
        "setup.py",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "NOTICE",
        "idxpipe/__init__.py",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(name, folder / name)
    (folder / "made").mkdir()
    worker = Path("idxpipe/components/convert/beam/worker-requirements.txt")
    (folder / worker).parent.mkdir(parents=True)
    shutil.copy(worker, folder / worker)
    code = (
        "from setuptools import build_meta as b; print(b.prepare_metadata_for_build_wheel('made'))"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "IDXPIPE_URL": url},
        check=True,
        capture_output=True,
    )
    (metadata,) = folder.glob("made/*/METADATA")
    return message_from_bytes(metadata.read_bytes())


def targets(text):
    """Return where the links and pictures of Markdown lead, as CommonMark reads it."""
    inline = [child for token in MarkdownIt().parse(text) for child in token.children or ()]
    return [
        token.attrs[name] for token in inline for name in ("href", "src") if name in token.attrs
    ]


def test_on_a_package_index_every_link_of_readme_leads_somewhere(tmp_path):
    url = "https://example.org/somebody/idxpipe"
    found = described(tmp_path, url + "/")
    assert f"Source, {url}" in found.get_all("Project-URL")
    within = targets(Path("README.md").read_text())
    without = [target for target in targets(found.get_payload()) if not target.startswith(url)]
    assert all("://" in target for target in without)
    led = [t.removeprefix(url) for t in targets(found.get_payload()) if t.startswith(url)]
    version = found["Version"]
    kinds = {t: "raw" if t.endswith(".png") else "blob" for t in within if "://" not in t}
    assert led == [f"/{kind}/v{version}/{target}" for target, kind in kinds.items()]
    assert "docs/report.png" in kinds


def test_without_an_address_a_package_index_gets_no_dead_link(tmp_path):
    found = described(tmp_path, "")
    assert found.get_all("Project-URL") is None
    assert all("://" in target for target in targets(found.get_payload()))
    assert "every command" in found.get_payload()


def test_a_project_may_have_packages_of_these_names(tmp_path):
    """Every project of Kubeflow components has folders called so."""
    for name in ("components", "pipeline"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('somebody else')")
    write_data_set(tmp_path / "data", make_arrays(train=200, test=50))
    shutil.copy("pipeline.yaml", tmp_path)

    def run(*words):
        path = os.pathsep.join(filter(None, [".", os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            words,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    idxpipe = str(Path(sys.executable).with_name("idxpipe"))
    assert run(idxpipe, "--version").startswith("idxpipe ")
    assert run(sys.executable, "-m", "idxpipe", "--version").startswith("idxpipe ")
    convert = "import idxpipe; print(idxpipe.convert('data', 'made')['train'].num_examples)"
    assert run(sys.executable, "-c", convert) == "200\n"
    small = ("train_steps=5", "batch_size=16", "num_shards=2")
    settings = [word for setting in small for word in ("--set", setting)]
    assert "test accuracy" in run(idxpipe, "run", "--data", "data", *settings)


SHADOWS = [
    "apache_beam",
    "argparse",
    "asyncio",
    "base64",
    "csv",
    "google",
    "gzip",
    "idna",
    "jinja2",
    "json",
    "kfp",
    "keras",
    "logging",
    "numpy",
    "random",
    "requests",
    "rich",
    "socket",
    "tempfile",
    "tensorflow",
    "urllib3",
    "yaml",
]
COMMANDS = [
    "--version",
    "--help",
    "params",
    "doctor --root gs://bucket/r --project project-1 --region us-central1",
    "compile --check",
    "validate --data data",
    "convert --images data/train-images-idx3-ubyte --labels data/train-labels-idx1-ubyte "
    "--output made",
    "run --data data --plan",
    "run --data data --until convert-test",
    "runs",
    "show latest",
    "clean --keep-last 1",
]


def test_trust_11_nothing_in_the_current_folder_is_imported(tmp_path):
    """A folder may hold anything, such as what somebody unpacked there."""
    for name in SHADOWS:
        code = f"open({str(tmp_path / 'IMPORTED')!r}, 'a').write({name!r} + ' ')\n"
        (tmp_path / f"{name}.py").write_text(code)
    write_data_set(tmp_path / "data", make_arrays(train=200, test=50))
    shutil.copy("pipeline.yaml", tmp_path)
    idxpipe = str(Path(sys.executable).with_name("idxpipe"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for words in COMMANDS:
        done = subprocess.run(
            [idxpipe, *words.split()],
            cwd=tmp_path,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert words.startswith("doctor") or done.returncode == 0, done.stderr
        assert not (tmp_path / "IMPORTED").exists(), words
