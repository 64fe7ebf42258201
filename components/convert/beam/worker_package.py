"""What Beam's workers install: the code of the conversion, and only what that imports.

`--setup_file` would have Beam build the whole project, in its checkout; but idxpipe may be
installed from a wheel or be in an image, and a checkout is not to be written into.
"""

import glob
import os
import shutil
import subprocess
import sys

import idxpipe
from idxpipe import __version__
from idxpipe.components.core.dataset.manifest import ARRAY_RECORD
from idxpipe.components.core.errors import SetupError

REQUIREMENTS = "worker-requirements.txt"
_ARRAY_RECORD = "array_record>=0.8"
_SETUP = """from setuptools import find_packages, setup

setup(
    name="idxpipe-worker",
    version={version!r},
    packages=find_packages(),
    package_data={{"idxpipe.components.convert.beam": ["*.txt"]}},
    install_requires={requirements!r},
)
"""


def worker_requirements() -> list[str]:
    """Return the distributions that a worker needs, with their versions."""
    with open(os.path.join(os.path.dirname(__file__), REQUIREMENTS)) as stream:
        lines = [line.partition("#")[0].strip() for line in stream]
    return [line for line in lines if line]


def build_worker_package(folder: str, file_format: str) -> str:
    """Build a source distribution that makes shards of a format.

    Args:
        folder: An empty folder.
        file_format: Of the shards.

    Returns:
        Path of the .tar.gz, in `folder`.

    Raises:
        SetupError: If setuptools is not installed.
    """
    code = os.path.dirname(idxpipe.__file__)
    target = os.path.join(folder, "idxpipe")
    for name in ("", "components"):
        os.mkdir(os.path.join(target, name))
        shutil.copy(os.path.join(code, name, "__init__.py"), os.path.join(target, name))
    for name in ("core", "convert"):
        shutil.copytree(
            os.path.join(code, "components", name),
            os.path.join(target, "components", name),
            ignore=shutil.ignore_patterns("__pycache__", "component.py"),
        )
    requirements = worker_requirements()
    if file_format == ARRAY_RECORD:
        requirements.append(_ARRAY_RECORD)
    with open(os.path.join(folder, "setup.py"), "w") as stream:
        stream.write(_SETUP.format(version=__version__, requirements=requirements))
    command = [sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", "."]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SetupError(
            "the workers' package could not be built",
            where="setuptools",
            found=done.stderr.strip().splitlines()[-1],
            remedy="pip install setuptools==80.9.0",
        )
    (package,) = glob.glob(os.path.join(folder, "*.tar.gz"))
    return package
