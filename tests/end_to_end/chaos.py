"""Real runs of the committed pipeline.yaml on a small data set, for what damages or kills them."""

import json
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

from idxpipe.components.core import storage
from idxpipe.pipeline import state

COMMAND = str(Path(sys.executable).with_name("idxpipe"))
SETTINGS = {
    "model": "tiny",
    "batch_size": 8,
    "train_steps": 400,
    "iterations": 20,
    "checkpoint_steps": 20,
    "num_shards": 3,
    "validation_fraction": 0.2,
    "accelerator": "cpu",
}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def words(**changed):
    sets = {**SETTINGS, **changed}
    return ["--data", "data", *(w for n, v in sets.items() for w in ("--set", f"{n}={v}"))]


def start(folder, root, *command, most=None, uri=None):
    """Start a command; with `most`, no file of its may grow beyond so many bytes.

    Its root is `root` in `folder`, or `uri`.
    """

    def prepare():
        heed_signals()
        if most is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    with open(folder / f"{root}.log", "ab") as log:
        return subprocess.Popen(
            [COMMAND, *command, "--root", uri or root],
            cwd=folder,
            stdout=log,
            stderr=log,
            preexec_fn=prepare,  # noqa: PLW1509 - there are no threads here
        )


def heed_signals():
    """What is ignored stays so: these tests may themselves run under nohup, or in a background."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def said(folder, root):
    text = (folder / f"{root}.log").read_text(errors="replace")
    assert "Traceback" not in text, text
    return text


def artifacts(root):
    """Every file that a run made and that must not differ, by stage and name."""
    found = {}
    for name, task in json.loads(Path(root, "latest", "run.json").read_text())["tasks"].items():
        # Of what was imported the run before is the owner, and TensorBoard's logs hold rates.
        made = task["outputs"]["artifacts"] if task["kind"] == "container" else {}
        for output, artifact in made.items():
            if output == "logs":
                continue
            place = Path(artifact["uri"])
            files = [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
            for path in files:
                found[name, output, str(path.relative_to(place))] = path.read_bytes()
    return found


def remote_artifacts(root):
    """The same of a root in a bucket."""
    found = {}
    for name, task in state.load(root, state.run_ids(root)[-1]).tasks.items():
        made = task.outputs.artifacts if task.kind == "container" else {}
        for output, artifact in made.items():
            if output == "logs":
                continue
            if storage.exists(artifact.uri):
                found[name, output, "."] = storage.read(artifact.uri)
            for file in storage.list_files(artifact.uri):
                found[name, output, file] = storage.read(storage.join(artifact.uri, file))
    return found


def without_places(content):
    """Return files without what must differ: the folder that a checkpoint's list names."""
    return {key: re.sub(rb'"/[^"]*/', b'"', data) for key, data in content.items()}
