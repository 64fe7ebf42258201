"""What a person calls a run by: its id, its beginning, `latest`, `latest~1`, or its folder."""

import re
from dataclasses import dataclass

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.pipeline import state
from idxpipe.pipeline.state import LATEST, RunRecord

_ID = re.compile(rf"(?P<run>{LATEST}(?:~\d+)?|\d{{4,}}[-0-9a-f]*)(?::(?P<stage>[\w\[\]-]+))?")


@dataclass(frozen=True)
class Kind:
    """Something that a stage made and other commands take.

    Attributes:
        name: The output of the stage.
        title: Its type.
        mark: A file that a folder of this kind has; empty for a file.
        stage: The stage whose output is meant, where several have one.
    """

    name: str
    title: str
    mark: str
    stage: str


MODEL = Kind("model", "system.Model", "model.json", "train")
TRAINING = Kind("dataset", "system.Dataset", "dataset.json", "convert-train")
TEST = Kind("dataset", "system.Dataset", "dataset.json", "convert-test")
METRICS = Kind("metrics", "system.Metrics", "", "evaluate")
LOGS = Kind("logs", "system.Artifact", "", "train")


def find_run(text: str, root: str) -> RunRecord:
    """Return the run that is meant.

    Args:
        text: Its id, the beginning of it, `latest`, or the URI of its folder.
        root: Root of all runs.

    Raises:
        UsageError: If there is no such run, or more than one.
        DataError: If its record is damaged or of a newer version.
    """
    folder = text.rstrip("/")
    if "/" in folder and storage.exists(storage.join(folder, "run.json")):
        above, _, run_id = folder.rpartition("/")
        return state.load(above.rpartition("/")[0] or "/", run_id)
    return state.find(root, text)


def is_recorded(record: RunRecord) -> bool:
    """Tell whether a run is kept below its root; a job on Vertex AI is kept by the service."""
    return record.run_id[:1].isdigit()


def resolve(text: str, root: str, kind: Kind) -> str:
    """Return the URI of what a stage made, where a run is named in its place.

    Args:
        text: The URI of such an artifact, which is returned as it is; or a run, as `find_run` takes
            it, or the root of runs, which means the latest; each with `:STAGE` behind it where
            another stage's output is meant.
        root: Root of all runs.
        kind: What is asked for.

    Raises:
        UsageError: If there is no such run, or it has not made it.
    """
    folder = text.rstrip("/")
    named = _ID.fullmatch(text)
    if named and not storage.list_names(text):
        return _artifact(state.find(root, named["run"]), kind, named["stage"] or kind.stage)
    if kind.mark and any(
        storage.exists(storage.join(folder, *place, kind.mark)) for place in ((), (kind.name,))
    ):
        return text
    if storage.exists(storage.join(folder or "/", "run.json")):
        return _artifact(find_run(text, root), kind, kind.stage)
    if kind.mark and state.run_ids(text):
        return _artifact(state.find(text), kind, kind.stage)
    return text


def _artifact(record: RunRecord, kind: Kind, stage: str) -> str:
    made = {
        task.name: artifact.uri
        for task in record.tasks.values()
        for name, artifact in task.outputs.artifacts.items()
        if name == kind.name and artifact.title == kind.title and task.kind == "container"
    }
    if stage in made:
        return made[stage]
    if not made:
        raise DataError(
            f"this run has made no {kind.name}",
            where=record.run_id,
            found=f"a run that is {record.status}",
            remedy="wait until it has: idxpipe show tells how far it is"
            if record.status is state.Status.RUNNING
            else "take another run: idxpipe runs lists them",
        )
    if len(made) > 1 or stage != kind.stage:
        raise UsageError(
            f"this run's stage has made no {kind.name}",
            where=record.run_id,
            expected=" or ".join(f"{record.run_id}:{name}" for name in made),
            found=stage,
        )
    return next(iter(made.values()))
