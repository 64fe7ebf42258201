"""A worker of the fake: installs what was staged for a job, and runs the staged pipeline.

As in Beam's container, there is Beam and its dependencies, and nothing of what only training and
the pipeline need.
"""

import importlib.abc
import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

ABSENT = {"tensorflow", "keras", "kfp", "PIL", "pipeline", "tests"}


class Absent(importlib.abc.MetaPathFinder):
    """Makes modules of the environment impossible to import."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r} on a worker", name=name)


def fetch(uri: str) -> bytes:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    place = f"b/{bucket}/o/{urllib.parse.quote(name, safe='')}?alt=media"
    with urllib.request.urlopen(f"{os.environ['STORAGE_EMULATOR_HOST']}/storage/v1/{place}") as got:
        return got.read()


def install(environment) -> None:
    from apache_beam.portability.api import beam_runner_api_pb2

    for artifact in environment.dependencies:
        uri = beam_runner_api_pb2.ArtifactUrlPayload.FromString(artifact.type_payload).url
        archive = Path(os.path.basename(uri))
        archive.write_bytes(fetch(uri))
        # Beside the archives is a list of those that were given as such.
        if archive.suffix == ".txt":
            continue
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        pip += ["--no-build-isolation", "--no-index", "--target", "packages", str(archive)]
        subprocess.run(pip, check=True, env={**os.environ, "PYTHONPATH": ""})


def main(pipeline_uri: str) -> None:
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.portability import python_urns
    from apache_beam.portability.api import beam_runner_api_pb2
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    Path("pipeline.pb").write_bytes(fetch(pipeline_uri))
    pipeline = beam_runner_api_pb2.Pipeline.FromString(Path("pipeline.pb").read_bytes())
    for environment in pipeline.components.environments.values():
        install(environment)
        # This process is the container.
        del environment.dependencies[:]
        environment.urn, environment.payload = python_urns.EMBEDDED_PYTHON, b""
    sys.path_importer_cache.clear()
    import idxpipe

    assert idxpipe.__file__.startswith(os.path.abspath("packages")), idxpipe.__file__
    result = FnApiRunner().run_via_runner_api(pipeline, PipelineOptions([]))
    result.wait_until_finish()
    counters = result.metrics().query()["counters"]
    counts = {c.key.metric.name: c.committed for c in counters}
    Path("counters.json").write_text(json.dumps(counts))


if __name__ == "__main__":
    sys.meta_path.insert(0, Absent())
    main(*sys.argv[1:])
