"""What a run on Vertex AI costs, as far as a dated table of list prices can say."""

import json
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Any

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.spec.graph import Pipeline
from idxpipe.pipeline.spec.machines import Stage, stages

TABLE = "prices.json"
CALCULATOR = "https://cloud.google.com/products/calculator"


@dataclass(frozen=True)
class Line:
    """A stage's part of the estimate.

    Attributes:
        stage: Its name.
        machine: Machine and accelerators.
        minutes: Assumed duration, with the time that the machine takes to start.
        hourly: US dollars an hour; None if the table does not have the machine.
    """

    stage: str
    machine: str
    minutes: float
    hourly: float | None

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
        return None if self.unpriced else self.known

    @property
    def unpriced(self) -> dict[str, float]:
        """Hours of each machine that the table has no price for."""
        hours: dict[str, float] = {}
        for line in self.lines:
            if line.hourly is None:
                hours[line.machine] = hours.get(line.machine, 0.0) + line.minutes / 60
        return hours

    @property
    def known(self) -> float:
        """US dollars of the fee and of the machines that have a price."""
        return self.fee + sum(line.cost for line in self.lines if line.cost is not None)

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as JSON values."""
        return {
            "currency": "USD",
            "prices_of": self.table["date"],
            "region": self.table["region"],
            "source": self.table["source"],
            "stages": [{**asdict(line), "cost": line.cost} for line in self.lines],
            "run_fee": self.fee,
            "total": self.total,
            "unpriced_hours": self.unpriced,
        }

    @property
    def notes(self) -> list[str]:
        """What a reader must know beside the figures."""
        return [
            *(
                f"and {hours:.2f} h of {machine}: see {CALCULATOR}"
                for machine, hours in self.unpriced.items()
            ),
            f"list prices in US dollars, {self.table['region']}, {self.table['date']}; "
            "durations are assumed, MNIST's; storage and network are not in it",
            f"source: {self.table['source']}",
        ]


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
        table["pipeline_run"],
        table,
    )


@cache
def read_table() -> dict[str, Any]:
    """Return the table of prices."""
    table: dict[str, Any] = json.loads(resources.files(__package__).joinpath(TABLE).read_text())
    return table


def _line(stage: Stage, table: dict[str, Any], minutes: float | None) -> Line:
    machine = stage.machine
    hourly = table["machines"].get(stage.machine)
    if stage.accelerator:
        machine += f" + {stage.count} {stage.accelerator}"
        each = table["accelerators"].get(stage.accelerator)
        hourly = None if hourly is None or each is None else hourly + stage.count * each
    assumed = table["minutes"]["custom" if stage.custom else "default"]
    return Line(stage.name, machine, assumed if minutes is None else minutes, hourly)
