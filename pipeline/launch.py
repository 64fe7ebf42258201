"""What a run on this machine starts from: a whole pipeline, or some stages of an earlier run."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.core.idx.files import ROLES, DataConfig, find_files
from idxpipe.pipeline.catalogue import (
    DATA_PARAMETERS,
    DEFAULT_DATA,
    URI_PARAMETERS,
    check_values,
    is_ours,
    refuse_secrets,
)
from idxpipe.pipeline.compile import compiled_file
from idxpipe.pipeline.rerun import Rerun, rerun, select
from idxpipe.pipeline.rerun import until as cut_after
from idxpipe.pipeline.spec import params
from idxpipe.pipeline.spec.graph import Container
from idxpipe.pipeline.spec.parse import load_compiled
from idxpipe.pipeline.state import LATEST, Progress, RunRecord


def whole(
    pipeline: str,
    data: str | None,
    assignments: Iterable[str],
    given: Mapping[str, Any] | None = None,
) -> Rerun:
    """Prepare to run all stages.

    Args:
        pipeline: The compiled pipeline; empty is pipeline.yaml here, or that of this version.
        data: Folder with the data set; by default MNIST, if no other file is named.
        assignments: `NAME=VALUE`, for other parameters.
        given: Typed values, likewise; assignments come before them.

    Raises:
        UsageError: If there is no such file, a parameter is unknown or ill-typed, or no data is
            named where MNIST is not there.
        DataError: If the file is not a compiled pipeline.
    """
    found = load_compiled(pipeline or compiled_file())
    ours = is_ours(found.parameters)
    assigned = list(assignments)
    names = {assignment.partition("=")[0].strip() for assignment in assigned}
    values: dict[str, Any] = dict(given or {})
    if data is not None:
        values["data"] = data
    elif ours and not (names | values.keys()) & set(DATA_PARAMETERS):
        values["data"] = _default_data()
    resolved = params.resolve(found.parameters, assigned, values)
    return Rerun(found, _absolute(resolved) if ours else resolved)


def _default_data() -> str:
    if not os.path.isdir(DEFAULT_DATA):
        raise UsageError(
            "no data is named",
            where="--data",
            expected="the folder with the four IDX files",
            found=f"neither that nor {DEFAULT_DATA} in this folder",
            remedy="--data FOLDER, or get MNIST and run again: idxpipe fetch mnist",
        )
    return DEFAULT_DATA


def part(
    root: str,
    run_id: str,
    *,
    stages_from: str,
    only: str,
    pipeline: str,
    data: str | None,
    assignments: Iterable[str],
    given: Mapping[str, Any] | None = None,
    trust_record: bool = False,
) -> Rerun:
    """Prepare to run some stages of an earlier run again.

    Args:
        root: Root of the runs.
        run_id: The earlier run; empty is the latest.
        stages_from: Stage to start at; empty if `only` is given.
        only: Stage to run alone.
        pipeline: The compiled pipeline; empty is the one that the earlier run ran.
        data: Folder with the data set, if it is another.
        assignments: `NAME=VALUE`, for changed parameters.
        given: Typed values, likewise; assignments come before them.
        trust_record: Run the recorded commands even if somebody else may have written them.

    Raises:
        UsageError: If run, stage or parameter do not exist, the run lacks what is needed, or its
            commands may be somebody else's.
        DataError: If the record of the run is damaged.
    """
    assigned = [*assignments, *([f"data={data}"] if data is not None else [])]
    return rerun(
        root,
        run_id or LATEST,
        stages_from=stages_from or None,
        only=only or None,
        assignments=[_absolute_assignment(text) for text in assigned],
        values=_absolute(given or {}),
        pipeline=load_compiled(pipeline) if pipeline else None,
        trust_record=trust_record,
        or_earlier=not run_id,
    )


def narrowed(job: Rerun, *, until: str = "", force: Iterable[str] = ()) -> Rerun:
    """Return what is left of a job that ends with a stage, and with other stages forced to run.

    Args:
        job: What was prepared.
        until: The last stage; empty is the end.
        force: Stages that run even when they are unchanged.

    Raises:
        UsageError: If there is no such stage.
    """
    pipeline = cut_after(job.pipeline, until) if until else job.pipeline
    forced = frozenset[str]().union(*(select(pipeline, stage) for stage in force))
    return replace(job, pipeline=pipeline, force=(job.force | forced) & pipeline.tasks.keys())


def read_parameters(uri: str) -> dict[str, Any]:
    """Return the parameters in a YAML file, by name, as `show --params` prints them.

    Raises:
        DataError: If it is not there, or no mapping from names to values.
    """
    from idxpipe.pipeline.spec.document import load_documents

    documents = load_documents(storage.read_document(uri), uri)
    found = documents[0] if len(documents) == 1 else None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise DataError(
            "no parameters in this file", where=uri, expected="lines of NAME: VALUE, in YAML"
        )
    return found


def check(job: Rerun, root: str) -> None:
    """Check what a run would refuse before anything starts.

    Raises:
        UsageError: If a parameter is out of bounds or holds a secret.
        DataError: If a file of the data set is not there.
        ModuleNotFoundError: If what starts the stages is not installed.
    """
    if is_ours(job.pipeline.parameters):
        check_values(job.parameters)
        # Beam brings PyYAML, so that nothing else here needs an extra.
        if find_spec("kfp") is None:
            raise ModuleNotFoundError("No module named 'kfp'", name="kfp")
    # Before the run's record keeps them.
    refuse_secrets({"root": root, **job.parameters})
    if is_ours(job.pipeline.parameters) and _reads_data(job):
        _check_data(DataConfig.of(job.parameters))


def _reads_data(job: Rerun) -> bool:
    task = job.pipeline.tasks.get("validate")
    return task is not None and isinstance(task.executor, Container)


def _check_data(config: DataConfig) -> None:
    """Look whether the four files are there: a run that fails for that would fail so again."""
    find_files(config)
    for role in ROLES:
        uri = getattr(config, role)
        if uri and storage.is_local(uri) and not os.path.exists(storage.local_path(uri)):
            raise DataError(
                "no such file",
                where=uri,
                expected="an IDX file, as it is or compressed with gzip",
                remedy=f"--set {role}=URI of the file, or --data FOLDER with all four",
            )


def start(
    job: Rerun,
    root: str,
    *,
    cache: bool,
    verify: bool = False,
    jobs: int | None,
    progress: Progress,
    keep_going: bool = False,
) -> RunRecord:
    """Run what was prepared; return its record, whatever it ended in.

    Raises:
        UsageError: Before anything starts, if a parameter is out of bounds or a URI holds a secret.
        DataError: Before anything starts, if a file of the data set is not there.
        SetupError: If `root` cannot be written.
    """
    from idxpipe.pipeline.local import runner
    from idxpipe.pipeline.runs import links, page

    check(job, root)
    record = runner.run(
        job.pipeline,
        job.parameters,
        root,
        cache=cache,
        verify=verify,
        force=job.force,
        earlier=job.earlier,
        progress=progress,
        jobs=jobs,
        keep_going=keep_going,
    )
    links.link(record)
    # Of a rerun, what the stages that it left out needed, too.
    drawn = job.earlier.whole if job.earlier else job.pipeline
    page.write_pages(record, {name: task.upstream for name, task in drawn.tasks.items()})
    return record


def _absolute(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Make local paths absolute, so that a rerun from another folder means the same files."""
    return {
        name: os.path.abspath(storage.local_path(value))
        if name in URI_PARAMETERS and value and storage.is_local(value)
        else value
        for name, value in parameters.items()
    }


def _absolute_assignment(text: str) -> str:
    name, _, value = text.partition("=")
    return f"{name}={_absolute({name.strip(): value})[name.strip()]}" if value else text
