"""The definition as `pipeline.yaml`, the same bytes for the same code."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from idxpipe.components.core import storage
from idxpipe.components.core.errors import IdxpipeError, UsageError
from idxpipe.components.register.config import RegisterConfig
from idxpipe.pipeline.vertex.targets import find_target

PIPELINE_FILE = "pipeline.yaml"


def compiled_file() -> str:
    """Return the compiled pipeline that is meant where none is named.

    That is pipeline.yaml in the current folder, else the one of this version: a wheel has it in the
    package, a checkout in the folder above.
    """
    shipped = shipped_file()
    return PIPELINE_FILE if os.path.exists(PIPELINE_FILE) or not shipped else shipped


def shipped_file() -> str | None:
    """Return where the compiled pipeline of this version is, None where it is in an image only."""
    path = Path(__file__).resolve().parents[1] / PIPELINE_FILE
    return str(path) if path.exists() else None


def compile_pipeline(
    image: str = "",
    accelerator: str = "auto",
    train_image: str = "",
    registry: RegisterConfig | None = None,
) -> bytes:
    """Return the compiled pipeline.

    Args:
        image: Container image that the stages run in; empty is the default.
        accelerator: Name of the machine for the train stage, from `targets.TARGETS`.
        train_image: Another image for that machine, such as the one for TPUs.
        registry: Where a last stage registers the model; None leaves that stage out.

    Raises:
        UsageError: If there is no such accelerator, or an image for a machine that is not chosen.
        SetupError: If the accelerator needs a package that is not installed.
        RuntimeError: If the components were imported for another image before.
    """
    target = find_target(accelerator)
    if train_image and not target.machine_type:
        raise UsageError(
            "an image for the train stage needs a machine to run it on",
            where="train-image",
            expected="--accelerator with a TPU or GPU",
            found=accelerator,
        )
    with _image(image):
        from kfp import compiler

        from idxpipe.components.core.container_image import DEFAULT_IMAGE, IMAGE
        from idxpipe.pipeline.definition import define

        if (image or DEFAULT_IMAGE) != IMAGE:
            raise RuntimeError(f"components already imported for {IMAGE}")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / PIPELINE_FILE
            compiler.Compiler().compile(define(target, train_image, registry), str(path))
            return path.read_bytes()


def check_compiled(path: str, compiled: bytes) -> None:
    """Check that the file at `path` is what the definition compiles to.

    Raises:
        IdxpipeError: Naming the first line that differs.
    """
    found = storage.read_document(path).splitlines()
    wanted = compiled.splitlines()
    pairs = list(zip(found, wanted, strict=False))
    differing = (i for i, (a, b) in enumerate(pairs) if a != b and not _names_kfp(a, b))
    line = next(differing, len(pairs))
    if line == len(found) == len(wanted):
        return
    raise IdxpipeError(
        f"stale: line {line + 1} is not what the definition compiles to",
        where=path,
        expected=_line(wanted, line),
        found=_line(found, line),
        remedy="run `idxpipe compile` and commit the result",
    )


def _names_kfp(*lines: bytes) -> bool:
    """Tell whether all lines say by which release of kfp the file was compiled."""
    return all(line.startswith(b"sdkVersion: kfp-") for line in lines)


def _line(lines: list[bytes], index: int) -> str:
    return repr(lines[index].decode()) if index < len(lines) else "the end of the file"


@contextlib.contextmanager
def _image(image: str) -> Iterator[None]:
    if not image:
        yield
        return
    os.environ["IDXPIPE_IMAGE"] = image
    try:
        yield
    finally:
        del os.environ["IDXPIPE_IMAGE"]
