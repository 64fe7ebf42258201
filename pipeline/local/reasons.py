"""Why a task runs: the one answer of a plan, of the run that follows, and of its record."""

import threading

from idxpipe.components.core import storage
from idxpipe.components.core.integrity.sealed import seal, unseal
from idxpipe.pipeline import state
from idxpipe.pipeline.local.cache import RECORD, Look, Policy
from idxpipe.pipeline.local.identity import Parts, differences

# Of the file of a task's parts, from which on it has a checksum of itself.
SCHEMA_VERSION = 1
# So far back is looked for a run that came to the task.
_RUNS = 50


class History:
    """The parts of tasks in earlier runs.

    Args:
        root: Root of all runs.
        run_id: The run that asks; none for one that has not begun.
    """

    def __init__(self, root: str, run_id: str | None = None) -> None:
        self._root = root
        self._run_id = run_id
        self._runs: list[str] | None = None
        self._lock = threading.Lock()

    def newest(self, task: str) -> tuple[str, Parts] | None:
        """Return the newest run that came to a task, and the parts of its work there."""
        for run_id in self._ids():
            uri = parts_uri(self._root, run_id, task)
            if storage.exists(uri):
                try:
                    return run_id, read(uri)
                except (ValueError, TypeError, RecursionError):
                    continue
        return None

    def _ids(self) -> list[str]:
        with self._lock:
            if self._runs is None:
                others = [i for i in state.run_ids(self._root) if i != self._run_id]
                self._runs = others[::-1][:_RUNS]
            return self._runs


def parts_uri(root: str, run_id: str, task: str) -> str:
    """Return where a run keeps the parts of a task's work."""
    return storage.join(state.run_folder(root, run_id), "parts", f"{task}.json")


def keep(root: str, run_id: str, task: str, parts: Parts) -> None:
    """Write the parts of a task's work beside the run's record.

    Raises:
        SetupError: If the place cannot be written.
    """
    content = seal({"schema_version": SCHEMA_VERSION, **parts}, indent=1)
    storage.write(parts_uri(root, run_id, task), content)


def read(uri: str) -> Parts:
    """Return the parts that `keep` wrote.

    Raises:
        ValueError, TypeError: If they are damaged.
    """
    parts = unseal(storage.read_document(uri), SCHEMA_VERSION)
    parts.pop("schema_version", None)
    return parts


def why(
    policy: Policy, found: Look, parts: Parts, history: History, task: str, *, cacheable: bool
) -> tuple[str, ...]:
    """Return why a task runs, each reason in a few words.

    Args:
        policy: What to do about an earlier result.
        found: What there is of its work.
        parts: What its work depends on.
        history: Of earlier runs.
        task: Its name.
        cacheable: Whether its result may be taken from an earlier run at all.
    """
    known = {
        "looks at the data every time": not cacheable,
        "the cache is off": policy is Policy.FRESH,
        "forced": found.entry is not None,
        "its record is damaged": found.damaged == (RECORD,),
        "its artifact is damaged: " + ", ".join(found.damaged): bool(found.damaged),
        "its artifact is gone: " + ", ".join(found.gone): bool(found.gone),
    }
    for reason, holds in known.items():
        if holds:
            return (reason,)
    earlier = history.newest(task)
    if earlier is None:
        return ("first time",)
    run_id, before = earlier
    unfinished = f"was not finished in run {run_id}" if found.begun else "its result is gone"
    return tuple(differences(before, parts)) or (unfinished,)
