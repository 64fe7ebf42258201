"""Runs in a stage's process before its program, as `sitecustomize`, where its outputs are remote.

KFP's executor takes it that gs:// is mounted at /gcs, and s3:// at /s3, and makes folders there for
every output. On Vertex they are mounts; here they would be folders in the root of the user's disk,
or no permission. Our stages use URIs alone, so the executor gets such a folder in the scratch space
of its task. It is a copy of this file that runs: it can import nothing of ours.
"""

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType

MODULE = "kfp.dsl.types.artifact_types"
VARIABLE = "IDXPIPE_MOUNTS"
_PREFIXES = ("_GCS_LOCAL_MOUNT_PREFIX", "_S3_LOCAL_MOUNT_PREFIX", "_MINIO_LOCAL_MOUNT_PREFIX")


class Remount:
    """An import hook that moves the mount points as KFP's module is loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the module's own spec, with a step after its execution."""
        if name != MODULE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_move(module: ModuleType) -> None:
            execute(module)
            for prefix in _PREFIXES:
                setattr(module, prefix, os.environ[VARIABLE] + getattr(module, prefix))

        spec.loader.exec_module = execute_and_move  # type: ignore[method-assign]
        return spec


def _run_the_other() -> None:
    """Run the `sitecustomize` that this one hides, if there is one."""
    here = os.path.dirname(os.path.abspath(__file__))
    elsewhere = [path for path in sys.path if os.path.abspath(path) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", elsewhere)
    if spec and spec.loader:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if __name__ == "sitecustomize":
    sys.meta_path.insert(0, Remount())
    _run_the_other()
