import os
import shutil
import subprocess
import sys

from idxpipe.pipeline.local import mounts

PATHS = (
    "from kfp import dsl\n"
    "artifact = dsl.Artifact(uri='gs://bucket/a/b')\n"
    "print(artifact.path, dsl.Artifact(uri='s3://bucket/c').path)\n"
    "artifact.path = artifact.path + '/d'\n"
    "print(artifact.uri)"
)


def run(folder, code):
    shutil.copyfile(mounts.__file__, folder / "sitecustomize.py")
    environment = os.environ | {"PYTHONPATH": str(folder), mounts.VARIABLE: "/scratch/mounts"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_kfps_mount_points_are_moved_into_the_scratch_folder(tmp_path):
    assert run(tmp_path, PATHS) == [
        "/scratch/mounts/gcs/bucket/a/b",
        "/scratch/mounts/s3/bucket/c",
        "gs://bucket/a/b/d",
    ]


def test_kfp_still_has_what_is_moved():
    from kfp.dsl.types import artifact_types

    assert artifact_types.__name__ == mounts.MODULE
    assert all(isinstance(getattr(artifact_types, name), str) for name in mounts._PREFIXES)


def test_a_sitecustomize_of_the_machine_is_run_too(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sitecustomize.py").write_text("import builtins; builtins.seen = 'seen'")
    (tmp_path / "ours").mkdir()
    code = "print(seen)"
    shutil.copyfile(mounts.__file__, tmp_path / "ours" / "sitecustomize.py")
    path = os.pathsep.join(str(tmp_path / name) for name in ("ours", "other"))
    environment = os.environ | {"PYTHONPATH": path, mounts.VARIABLE: "/scratch/mounts"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["seen"]
