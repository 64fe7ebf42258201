"""A training for each combination of parameters, the best chosen on the validation set alone."""

import itertools
import json
import re
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from idxpipe.components.core.errors import FAMILY, IdxpipeError, UsageError
from idxpipe.components.train.state.points import read_points
from idxpipe.pipeline import state
from idxpipe.pipeline.catalogue import stages_of
from idxpipe.pipeline.compile import compiled_file
from idxpipe.pipeline.state import RunRecord

TRAIN = "train"
SEED = "seed"
SCORE = "validation_accuracy"
VALIDATION = "validation_fraction"
DEFAULT_FRACTION = 0.1

_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
_MOST = 10_000


@dataclass(frozen=True)
class Trial:
    """One combination.

    Attributes:
        values: Its parameters, as typed.
        run_id: Its run; empty if it could not begin.
        score: Accuracy on the validation set at the end of the training; None without one.
        error: What it ended in, if it failed.
    """

    values: Mapping[str, str]
    run_id: str = ""
    score: float | None = None
    error: IdxpipeError | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the trial as JSON values."""
        error = self.error and self.error.to_json()
        return {
            "parameters": dict(self.values),
            "run": self.run_id,
            SCORE: self.score,
            "error": error,
        }


Answer = tuple[dict[str, Any], IdxpipeError | None]
"""What a command says as JSON, and what it ended in."""


@dataclass(frozen=True)
class Standing:
    """What some trials that differ in nothing but their seed came to.

    Attributes:
        values: Their parameters, without the seed.
        trials: Those that came to a score, the best first.
        failed: How many did not.
    """

    values: Mapping[str, str]
    trials: tuple[Trial, ...]
    failed: int

    @property
    def mean(self) -> float | None:
        """The mean score."""
        scores = self._scores
        return statistics.fmean(scores) if scores else None

    @property
    def spread(self) -> float | None:
        """The standard deviation of the score over the seeds; None for less than two."""
        scores = self._scores
        return statistics.stdev(scores) if len(scores) > 1 else None

    @property
    def _scores(self) -> list[float]:
        return [trial.score for trial in self.trials if trial.score is not None]

    def to_json(self) -> dict[str, Any]:
        """Return the standing as JSON values."""
        return {
            "parameters": dict(self.values),
            "mean": self.mean,
            "stdev": self.spread,
            "runs": [trial.run_id for trial in self.trials],
            "failed": self.failed,
        }


def grid(assignments: Sequence[str]) -> list[dict[str, str]]:
    """Return every combination of the values of parameters.

    Args:
        assignments: `NAME=VALUE,VALUE,...`, or `NAME=FIRST..LAST` of whole numbers.

    Raises:
        UsageError: If one is none, or there are too many.
    """
    axes: dict[str, list[str]] = {}
    for text in assignments:
        name, separator, given = text.partition("=")
        found = _RANGE.fullmatch(given.strip())
        values = (
            [str(number) for number in range(int(found[1]), int(found[2]) + 1)]
            if found
            else [value.strip() for value in given.split(",")]
        )
        if not separator or not name.strip() or not values or "" in values:
            raise UsageError(
                "invalid value",
                where="--set",
                expected="NAME=VALUE,VALUE,... or NAME=FIRST..LAST",
                found=text,
            )
        axes[name.strip()] = list(dict.fromkeys(values))
    count = 1
    for values in axes.values():
        count *= len(values)
    if count > _MOST:
        raise UsageError(
            "too many combinations", where="--set", expected=f"at most {_MOST}", found=count
        )
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def varying(trials: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the parameters that are not the same in all trials."""
    return [name for name in trials[0] if len({trial[name] for trial in trials}) > 1]


class Trainer(Protocol):
    """Where the trainings of a sweep run; what was trained before comes from the cache."""

    def train(self, values: Mapping[str, str]) -> Trial:
        """Train one combination."""
        ...

    def evaluate(self, best: Trial) -> Answer:
        """Evaluate the chosen one on the test split."""
        ...


@dataclass(frozen=True)
class Here:
    """On this machine.

    Attributes:
        words: Further words of each `idxpipe run`.
    """

    words: Sequence[str]

    def train(self, values: Mapping[str, str]) -> Trial:
        """Train one combination."""
        return _trial(values, alone("run", [*self.words, *_sets(values), "--until", TRAIN]))

    def evaluate(self, best: Trial) -> Answer:
        """Evaluate the chosen one on the test split."""
        return alone("run", [*self.words, *_sets(best.values)])


@dataclass
class OnVertex:
    """As jobs on Vertex AI: one for the first combination, of which the others rerun the training.

    Attributes:
        place: Words that say where the jobs run.
        words: Words of the first job: its root, data and account.
        pipeline: Words that name the compiled pipeline.
        shared: Values and job of the first combination, once it is trained.
    """

    place: Sequence[str]
    words: Sequence[str]
    pipeline: Sequence[str] = ()
    shared: tuple[Mapping[str, str], str] | None = None
    _first: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def train(self, values: Mapping[str, str]) -> Trial:
        """Train one combination; the others wait until there is one that they can share."""
        with self._first:
            if not self.shared:
                return self._train(values)
        return self._train(values)

    def _train(self, values: Mapping[str, str]) -> Trial:
        words = [*self.words, *self.pipeline, *_sets(values), "--until", TRAIN]
        if self.shared:
            first, job = self.shared
            changed = {name: value for name, value in values.items() if first[name] != value}
            if all(TRAIN in stages_of(name) for name in changed):
                words = ["--run", job, "--from", TRAIN, *_sets(changed)]
        trial = _trial(values, self._submit(words))
        if not self.shared and trial.score is not None:
            self.shared = values, trial.run_id
        return trial

    def evaluate(self, best: Trial) -> Answer:
        """Evaluate the chosen one on the test split."""
        pipeline = self.pipeline or ["--pipeline", compiled_file()]
        return self._submit(["--run", best.run_id, "--from", "convert-test", *pipeline])

    def _submit(self, words: Sequence[str]) -> Answer:
        return alone("submit", [*self.place, *words, "--wait"])


def sweep(
    trials: Sequence[Mapping[str, str]],
    trainer: Trainer,
    *,
    jobs: int,
    told: Callable[[Trial], None],
) -> list[Trial]:
    """Train each combination; what an earlier sweep or run has done is taken from the cache.

    Args:
        trials: From `grid`.
        trainer: Where they run.
        jobs: How many run side by side.
        told: Called with each trial that ended.

    Returns:
        The trials, in their order.
    """

    def train(values: Mapping[str, str]) -> Trial:
        trial = trainer.train(values)
        told(trial)
        return trial

    with ThreadPoolExecutor(jobs) as pool:
        try:
            return list(pool.map(train, trials))
        except KeyboardInterrupt:
            # Those that run heard it, too, and save what they have.
            pool.shutdown(cancel_futures=True)
            raise


def leaderboard(trials: Sequence[Trial]) -> list[Standing]:
    """Return the combinations but for the seed, the best mean first."""
    groups: dict[tuple[tuple[str, str], ...], list[Trial]] = {}
    for trial in trials:
        key = tuple((name, value) for name, value in trial.values.items() if name != SEED)
        groups.setdefault(key, []).append(trial)
    standings = []
    for key, group in groups.items():
        scored = [trial for trial in group if trial.score is not None]
        scored.sort(key=lambda trial: trial.score or 0.0, reverse=True)
        standings.append(Standing(dict(key), tuple(scored), len(group) - len(scored)))
    return sorted(standings, key=lambda found: -1.0 if found.mean is None else found.mean)[::-1]


def alone(command: str, words: Sequence[str]) -> Answer:
    """Run a command in a process of its own; return its JSON, and what it ended in."""
    line = [sys.executable, "-P", "-m", "idxpipe", command, *words, "--json"]
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = done.stderr.strip().splitlines()
        return {}, IdxpipeError("the run ended without a word", found=said[-1] if said else None)
    if "error" not in found:
        return found, None
    fields = dict(found["error"])
    family = FAMILY.get(fields.pop("exit_code"), IdxpipeError)
    return found.get("run", {}), family(fields.pop("problem"), **fields)


def record_of(found: Mapping[str, Any]) -> RunRecord:
    """Return the record that a command printed, on this machine or of a job."""
    names = {"schema_version", *(one.name for one in fields(RunRecord))}
    return state.parse({n: v for n, v in found.items() if n in names}, str(found["root"]))


def _sets(values: Mapping[str, str]) -> list[str]:
    return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]


def _trial(values: Mapping[str, str], answer: Answer) -> Trial:
    """Return what a training came to, by the accuracies that it wrote down."""
    found, error = answer
    run_id = str(found.get("run_id", ""))
    if error or not run_id:
        return Trial(values, run_id, error=error)
    logs = record_of(found).tasks[TRAIN].outputs.artifacts["logs"].uri
    scores = [point[SCORE] for point in read_points(logs) if SCORE in point]
    return Trial(values, run_id, scores[-1] if scores else None)
