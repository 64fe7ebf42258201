"""What is shipped: the code and the report's template, but not the digits."""

import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

SHIPPED = ("setup.py", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "MANIFEST.in")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    source = tmp_path_factory.mktemp("source") / "idxpipe"
    source.mkdir()
    for name in (*SHIPPED, "requirements.lock", "pipeline.yaml"):
        shutil.copy(name, source)
    for name in ("components", "pipeline", "data"):
        shutil.copytree(name, source / name)
    code = "from setuptools import build_meta as b; b.build_wheel('dist'); b.build_sdist('dist')"
    (source / "dist").mkdir()
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    return source / "dist"


def test_the_wheel(built):
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "components/evaluate/report.html" in names
    assert "pipeline/cli.py" in names
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {
        "components",
        "pipeline",
    }


def test_the_source_distribution(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    assert any(name.endswith("/pipeline.yaml") for name in names)
    assert not [name for name in names if "/data/" in name or "/tests/" in name]
