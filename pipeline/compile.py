"""The definition as `pipeline.yaml`, the same bytes for the same code."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from components.core import storage
from components.core.errors import IdxpipeError

PIPELINE_FILE = "pipeline.yaml"


def compile_pipeline(image: str = "") -> bytes:
    """Return the compiled pipeline.

    Args:
        image: Container image that the stages run in; empty is the default.

    Raises:
        RuntimeError: If the components were imported for another image before.
    """
    with _image(image):
        from kfp import compiler

        from components.core.image import DEFAULT_IMAGE, IMAGE
        from pipeline.definition import idx_to_model

        if (image or DEFAULT_IMAGE) != IMAGE:
            raise RuntimeError(f"components already imported for {IMAGE}")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / PIPELINE_FILE
            compiler.Compiler().compile(idx_to_model, str(path))
            return path.read_bytes()


def check_compiled(path: str, compiled: bytes) -> None:
    """Check that the file at `path` is what the definition compiles to.

    Raises:
        IdxpipeError: Naming the first line that differs.
    """
    found = storage.read(path).splitlines()
    wanted = compiled.splitlines()
    if found == wanted:
        return
    pairs = enumerate(zip(found, wanted, strict=False))
    line = next((i for i, (a, b) in pairs if a != b), min(len(found), len(wanted)))
    raise IdxpipeError(
        f"stale: line {line + 1} is not what the definition compiles to",
        where=path,
        expected=_line(wanted, line),
        found=_line(found, line),
        remedy="run `idxpipe compile` and commit the result",
    )


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
