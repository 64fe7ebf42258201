"""The tag of the container images: a digest of all that goes into them.

Vertex AI's cache compares the names of images, not what is in them. With the content in the tag,
changed code is another image and the stages run again; the same code is the same image.
"""

import hashlib
from pathlib import Path

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.local.code import package_root, tree_digest

FILES = (
    "Dockerfile",
    "Dockerfile.tpu",
    ".dockerignore",
    "requirements.lock",
    "requirements-build.lock",
    "requirements-gpu.lock",
    "requirements-tpu.lock",
    "setup.py",
    "pyproject.toml",
)
PACKAGES = ("components", "pipeline", "idxpipe")
LENGTH = 16


def image_tag(folder: str = "") -> str:
    """Return the tag for the code in a source checkout, by default the one that is running.

    Raises:
        UsageError: If the folder is no checkout, such as where only the package is installed.
    """
    root = Path(folder) if folder else Path(package_root()).parents[1]
    digest = hashlib.sha256()
    for name in FILES:
        try:
            content = (root / name).read_bytes()
        except OSError:
            raise UsageError(
                "not a checkout of idxpipe",
                where=str(root),
                expected=", ".join(FILES),
                found=f"no {name}",
                remedy="run it in the folder that holds the Dockerfile",
            ) from None
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    for package in PACKAGES:
        digest.update(tree_digest(str(root / package)).encode())
    return digest.hexdigest()[:LENGTH]
