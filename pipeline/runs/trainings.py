"""The logs of several trainings as TensorBoard shows them: readable names, and hyperparameters."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from idxpipe.components.core import storage
from idxpipe.pipeline.catalogue import URI_PARAMETERS
from idxpipe.pipeline.runs.listing import changed
from idxpipe.pipeline.state import RunRecord

# What file systems and TensorBoard's regular expressions take as it is.
_ODD = re.compile(r"[^\w.=+-]+")


@dataclass(frozen=True)
class Training:
    """One training.

    Attributes:
        logs: URI of its TensorBoard logs.
        parameters: What differs from the defaults, but for where the data lie.
    """

    logs: str
    parameters: Mapping[str, Any]


def logs_of(records: Iterable[RunRecord]) -> dict[str, Training]:
    """Return the trainings of runs, by a readable name; those of one cached training once."""
    found: dict[str, Training] = {}
    seen = set()
    for record in records:
        task = record.tasks.get("train")
        artifact = task and task.outputs.artifacts.get("logs")
        if not artifact or artifact.uri in seen:
            continue
        seen.add(artifact.uri)
        given = {n: v for n, v in changed(record).items() if n not in URI_PARAMETERS}
        words = [str(given["recipe"])] if "recipe" in given else []
        words += [f"{name}={value}" for name, value in given.items() if name != "recipe"]
        name = _ODD.sub("_", " ".join(words) or "defaults")[:150]
        found[f"{name} {record.run_id}".replace(" ", "_")] = Training(artifact.uri, given)
    return found


def arrange(found: Mapping[str, Training], folder: str) -> None:
    """Make a folder for each training, with its event files and its hyperparameters.

    Args:
        found: From `logs_of`.
        folder: An empty folder. Local event files are linked, so that they may still grow; remote
            ones are copied as they are now.
    """
    for name, training in found.items():
        place = os.path.join(folder, name)
        os.makedirs(place)
        for file in storage.list_names(training.logs):
            uri = storage.join(training.logs, file)
            if storage.is_local(uri):
                os.symlink(os.path.abspath(storage.local_path(uri)), os.path.join(place, file))
            else:
                storage.write(os.path.join(place, file), storage.read(uri))
        _write_hyperparameters(training.parameters, name, place)


def _write_hyperparameters(parameters: Mapping[str, Any], name: str, place: str) -> None:
    """Write what TensorBoard's tab HParams reads; without TensorFlow."""
    import time

    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    plain = {n: v if isinstance(v, bool | int | float) else str(v) for n, v in parameters.items()}
    writer = EventFileWriter(place, filename_suffix=".hparams")
    summary = hparams_pb(plain, trial_id=name)
    writer.add_event(Event(wall_time=time.time(), summary=summary))
    writer.close()
