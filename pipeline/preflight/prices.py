"""What a run on Vertex AI costs, as far as a dated table of list prices can say."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.spec.graph import Pipeline
from idxpipe.pipeline.spec.machines import Stage, stages

TABLE = "prices.json"


@dataclass(frozen=True)
class Line:
    """A stage's part of the estimate.

    Attributes:
        stage: Its name.
        machine: Machine and accelerators.
        minutes: Assumed duration, with the time that the machine takes to start.
        hourly: US dollars an hour; None if the table does not have the machine.
        verified: Whether the price is of Google's page, or derived; the table says how.
    """

    stage: str
    machine: str
    minutes: float
    hourly: float | None
    verified: bool

    @property
    def cost(self) -> float | None:
        """US dollars."""
        return None if self.hourly is None else self.hourly * self.minutes / 60


@dataclass(frozen=True)
class Estimate:
    """What a run costs.

    Attributes:
        lines: The stages that run.
        fee: What Vertex AI Pipelines takes for a run, in US dollars.
        table: The table: its date, region and source.
    """

    lines: tuple[Line, ...]
    fee: float
    table: dict[str, Any]

    @property
    def total(self) -> float | None:
        """US dollars; None if a price is not known."""
        costs = [line.cost for line in self.lines]
        known = [cost for cost in costs if cost is not None]
        return self.fee + sum(known) if len(known) == len(costs) else None

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as JSON values."""
        return {
            "currency": "USD",
            "prices_of": self.table["date"],
            "region": self.table["region"],
            "source": self.table["source"],
            "stages": [
                {
                    "stage": line.stage,
                    "machine": line.machine,
                    "minutes": line.minutes,
                    "hourly": line.hourly,
                    "verified": line.verified,
                    "cost": line.cost,
                }
                for line in self.lines
            ],
            "run_fee": self.fee,
            "total": self.total,
        }

    def __str__(self) -> str:
        rows = [f"{'stage':<16}{'machine':<36}{'minutes':>8}{'$/hour':>10}{'$':>9}"]
        for line in self.lines:
            hourly = "unknown" if line.hourly is None else f"{line.hourly:.3f}"
            cost = "unknown" if line.cost is None else f"{line.cost:.3f}"
            mark = "" if line.verified or line.hourly is None else " *"
            rows.append(
                f"{line.stage:<16}{line.machine:<36}{line.minutes:>8g}{hourly:>10}{cost:>9}{mark}"
            )
        rows.append(f"{'pipeline run':<16}{'':<36}{'':>8}{'':>10}{self.fee:>9.3f}")
        total = "unknown" if self.total is None else f"{self.total:.2f}"
        rows.append(f"{'total':<16}{'':<36}{'':>8}{'':>10}{total:>9}")
        rows.append(
            f"list prices in US dollars, {self.table['region']}, as of {self.table['date']}; "
            "durations are assumed, MNIST's; storage and network are not in it"
        )
        if any(not line.verified and line.hourly is not None for line in self.lines):
            rows.append(f"* {self.table['note']}")
        rows.append(f"source: {self.table['source']}")
        return "\n".join(rows)


def plan(pipeline: Pipeline, minutes: dict[str, float] | None = None) -> Estimate:
    """Estimate the cost of a run.

    Args:
        pipeline: The compiled pipeline, or what a rerun leaves of it.
        minutes: Duration of stages by name, in place of the assumed ones.

    Raises:
        UsageError: If a duration is for a stage that does not run, or is negative.
    """
    table = read_table()
    found = stages(pipeline)
    given = minutes or {}
    names = [stage.name for stage in found]
    for name, value in given.items():
        if name not in names or not 0 <= value < float("inf"):
            raise UsageError(
                "not the duration of a stage",
                where="--minutes",
                expected=f"STAGE=MINUTES, of {', '.join(names)}",
                found=f"{name}={value:g}",
            )
    return Estimate(
        tuple(_line(stage, table, given.get(stage.name)) for stage in found),
        table["pipeline_run"]["price"],
        table,
    )


@cache
def read_table() -> dict[str, Any]:
    """Return the table of prices."""
    table: dict[str, Any] = json.loads(resources.files(__package__).joinpath(TABLE).read_text())
    return table


def price(stage: Stage) -> Line:
    """Return what one stage costs, for the duration that the table assumes."""
    return _line(stage, read_table(), None)


def _line(stage: Stage, table: dict[str, Any], minutes: float | None) -> Line:
    parts = [table["machines"].get(stage.machine)]
    if stage.accelerator:
        parts.append(table["accelerators"].get(stage.accelerator))
    # The price of an A100 or L4 machine already has its GPU in it.
    counts = [1, 0 if parts[0] and parts[0].get("includes_accelerator") else stage.count]
    known = [part for part in parts if part is not None]
    complete = len(known) == len(parts)
    hourly = sum(p["price"] * n for p, n in zip(known, counts, strict=False)) if complete else None
    machine = stage.machine
    if stage.accelerator:
        machine += f" + {stage.count} {stage.accelerator}"
    assumed = table["minutes"]["custom" if stage.custom else "default"]
    return Line(
        stage.name,
        machine,
        assumed if minutes is None else minutes,
        hourly,
        complete and all(p["verified"] for p in known),
    )
