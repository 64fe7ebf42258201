"""What a run would do, stage by stage, and why; nothing is executed."""

import datetime
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from idxpipe.components.core import storage
from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.core.idx.checks import scan
from idxpipe.components.core.idx.files import ROLES, DataConfig, find_files
from idxpipe.pipeline import state
from idxpipe.pipeline.catalogue import URI_PARAMETERS
from idxpipe.pipeline.local import cache, executor_input, task
from idxpipe.pipeline.local.cache import Look, Policy
from idxpipe.pipeline.local.identity import Parts, differences, key_of, parts_of
from idxpipe.pipeline.local.reasons import History, why
from idxpipe.pipeline.spec.artifact import Values
from idxpipe.pipeline.spec.graph import Container, Importer, Pipeline, Task, TaskOutput
from idxpipe.pipeline.state import RunRecord

# So far back is looked for what a stage made.
_RUNS = 20


@dataclass(frozen=True)
class Step:
    """What would become of one task.

    Attributes:
        title: The task's.
        cached_from: The run whose result would be taken; None if it runs.
        reasons: Why it runs.
        unless: Stages that run before it: if they make the same as before, it is cached.
        always: Whether it runs every time, whatever there is.
    """

    title: str
    cached_from: str | None = None
    reasons: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    always: bool = False

    @property
    def runs(self) -> bool:
        """Whether it would run for a reason, or might."""
        return self.cached_from is None and not self.always

    def to_json(self) -> dict[str, Any]:
        """Return the step as JSON values."""
        return {
            "stage": self.title,
            "cached_from": self.cached_from,
            "reasons": list(self.reasons),
            "unless_same": list(self.unless),
        }


def plan(
    pipeline: Pipeline,
    parameters: Mapping[str, Any],
    root: str,
    *,
    cached: bool = True,
    verify: bool = False,
    force: frozenset[str] = frozenset(),
) -> list[Step]:
    """Return what a run would do with each stage, in their order.

    Args:
        pipeline: What would run.
        parameters: Typed values of its parameters.
        root: Root of all runs.
        cached: Whether unchanged tasks are taken from earlier runs.
        verify: Whether what they made is hashed before.
        force: Tasks that run even when they are unchanged.

    Raises:
        IdxpipeError: If an input cannot be read.
    """
    where = state.absolute(root)
    planner = _Planner(pipeline, parameters, where, cached=cached, verify=verify, force=force)
    return planner.steps()


class _Planner:
    """Goes through the tasks with what each would find."""

    def __init__(
        self,
        pipeline: Pipeline,
        parameters: Mapping[str, Any],
        root: str,
        *,
        cached: bool,
        verify: bool,
        force: frozenset[str],
    ) -> None:
        self._pipeline = pipeline
        self._parameters = parameters
        self._root = root
        self._cached = cached
        self._verify = verify
        self._force = force
        self._history = History(root)
        self._earlier: list[RunRecord] | None = None
        self._done: dict[str, Values] = {}
        # Tasks whose outputs may become other ones than those in `_done`, or are not known at all.
        self._open: set[str] = set()

    def steps(self) -> list[Step]:
        """Return the step of each stage."""
        found = []
        for one in self._pipeline.tasks.values():
            if isinstance(one.executor, Importer):
                inputs = executor_input.resolve_inputs(one, self._parameters, self._done)
                artifact = task.take(one, one.executor, inputs)
                self._done[one.name] = Values({}, {"artifact": artifact})
            elif isinstance(one.executor, Container):
                found.append(self._step(one, one.executor))
        return found

    def _step(self, one: Task, container: Container) -> Step:
        given = (*one.parameters.values(), *one.artifacts.values())
        sources = {source.task for source in given if isinstance(source, TaskOutput)}
        unsure = sources & self._open
        before = tuple(self._title(name) for name in self._pipeline.tasks if name in unsure)
        if sources - self._done.keys():
            # Nothing is known of what an earlier stage would make.
            self._open.add(one.name)
            return Step(one.title, reasons=self._of_unknown(one))
        inputs = executor_input.resolve_inputs(one, self._parameters, self._done)
        parts = parts_of(one, container, inputs)
        policy = self._policy(one)
        found = Look()
        if policy is not Policy.FRESH:
            place = cache.folder_of(self._root, one.name, key_of(parts))
            found = cache.look(place, verify=self._verify)
        if found.entry and policy is Policy.REUSE:
            self._done[one.name] = found.entry.outputs
            if before:
                self._open.add(one.name)
                return Step(one.title, unless=before)
            accepted = tuple(f"accepted: {text}" for text in found.entry.accepted)
            return Step(one.title, cached_from=found.entry.run_id, reasons=accepted)
        reasons = why(policy, found, parts, self._history, one.name, cacheable=one.cacheable)
        self._foresee(one, parts)
        return Step(one.title, reasons=reasons, always=not one.cacheable)

    def _policy(self, one: Task) -> Policy:
        if not (self._cached and one.cacheable):
            return Policy.FRESH
        return Policy.REPLACE if one.name in self._force else Policy.REUSE

    def _title(self, name: str) -> str:
        return self._pipeline.tasks[name].title or name

    def _of_unknown(self, one: Task) -> tuple[str, ...]:
        return (
            ("first time",) if self._history.newest(one.name) is None else ("its inputs are new",)
        )

    def _foresee(self, one: Task, parts: Parts) -> None:
        """Note what a task that runs is going to make, as far as the runs before tell."""
        earlier = self._outputs(one.name)
        if earlier is None:
            self._open.add(one.name)
            return
        since, outputs = earlier
        self._done[one.name] = outputs
        newest = self._history.newest(one.name)
        same = newest is not None and not differences(_elsewhere(newest[1]), _elsewhere(parts))
        ours = set(ROLES) <= {name.removesuffix("_uri") for name in outputs.parameters}
        if same and ours and not one.cacheable:
            self._done[one.name] = self._looked_at(outputs, since)
        else:
            self._open.add(one.name)

    def _outputs(self, name: str) -> tuple[str, Values] | None:
        """Return what a task made in the newest run that finished it, and when that run began."""
        if self._earlier is None:
            self._earlier = []
            for run_id in state.run_ids(self._root)[::-1][:_RUNS]:
                try:
                    self._earlier.append(state.load(self._root, run_id))
                except IdxpipeError:
                    continue
        for record in self._earlier:
            made = record.tasks.get(name)
            if made and made.status.finished:
                return made.started or record.started or "", made.outputs
        return None

    def _looked_at(self, outputs: Values, since: str) -> Values:
        """Return the outputs of our validate with the fingerprints of the files as they are now."""
        files = find_files(DataConfig.of(self._parameters))
        values = dict(outputs.parameters)
        for role in ROLES:
            uri = getattr(files, role)
            if values.get(f"{role}_uri") != uri or _changed_since(uri, since):
                values[f"{role}_uri"] = uri
                found = scan(uri, lambda uri, header: None).fingerprint
                values[f"{role}_fingerprint"] = str(found)
        return replace(outputs, parameters=values)


def _elsewhere(parts: Parts) -> Parts:
    """Return the parts of our validate without where the data lie, which it tells by content."""
    kept = {n: v for n, v in parts["parameters"].items() if n not in URI_PARAMETERS}
    return {**parts, "parameters": kept}


def _changed_since(uri: str, since: str) -> bool:
    """Tell whether a file may have changed since; only a local one can say that it has not."""
    if not storage.is_local(uri):
        return True
    status = os.stat(storage.local_path(uri))
    # A copy may keep the time of what it is a copy of.
    changed = max(status.st_mtime, status.st_ctime)
    return changed >= datetime.datetime.fromisoformat(since).timestamp()
