"""What Beam installs on its workers: the code of the conversion, and only what that imports.

Beam builds a source distribution of the folder that `--setup_file` names. idxpipe may be installed
from anywhere, a wheel or an image, so that there may be no such folder; and a checkout is not to be
written into.
"""

import os
import shutil

import components
from components import __version__
from components.core.dataset import ARRAY_RECORD

REQUIREMENTS = "worker-requirements.txt"
_ARRAY_RECORD = "array_record>=0.8"
_SETUP = """from setuptools import find_packages, setup

setup(
    name="idxpipe-worker",
    version={version!r},
    packages=find_packages(),
    install_requires={requirements!r},
)
"""


def worker_requirements() -> list[str]:
    """Return the distributions that a worker needs, with their versions."""
    with open(os.path.join(os.path.dirname(__file__), REQUIREMENTS)) as stream:
        lines = [line.partition("#")[0].strip() for line in stream]
    return [line for line in lines if line]


def write_worker_package(folder: str, file_format: str) -> str:
    """Write the source of a package that makes shards of a format.

    Returns:
        Path of its setup.py, below `folder`.
    """
    code = os.path.dirname(components.__file__)
    target = os.path.join(folder, "components")
    os.makedirs(target)
    shutil.copy(os.path.join(code, "__init__.py"), target)
    for name in ("core", "convert"):
        shutil.copytree(
            os.path.join(code, name),
            os.path.join(target, name),
            ignore=shutil.ignore_patterns("__pycache__", "component.py"),
        )
    requirements = worker_requirements()
    if file_format == ARRAY_RECORD:
        requirements.append(_ARRAY_RECORD)
    path = os.path.join(folder, "setup.py")
    with open(path, "w") as stream:
        stream.write(_SETUP.format(version=__version__, requirements=requirements))
    return path
