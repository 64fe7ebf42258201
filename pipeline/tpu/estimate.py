"""How fast a program could be, by the roofline model, and what a run of it costs.

Source of the model: S. Williams, A. Waterman, D. Patterson, https://doi.org/10.1145/1498765.1498785
"""

from dataclasses import dataclass

from idxpipe.pipeline.preflight.prices import price
from idxpipe.pipeline.spec.machines import Stage
from idxpipe.pipeline.tpu.compiler import Compiled
from idxpipe.pipeline.tpu.topology import Topology


@dataclass(frozen=True)
class Roofline:
    """The time that the arithmetic or the traffic of memory takes at the chip's peak.

    A real run is slower by the host, the input and the network between replicas. It may be faster
    than traffic says: the compiler counts what every operation reads and writes, also what stays in
    the memory on the chip.

    Attributes:
        seconds: Time of one run of the program.
        bound: Which of the two takes longer: `compute` or `memory`.
    """

    seconds: float
    bound: str


def roofline(compiled: Compiled, topology: Topology) -> Roofline:
    """Return the time of a program, whose replicas work at the same time, each on its share."""
    compute = compiled.flops / topology.chip.flops
    memory = compiled.bytes / topology.chip.bytes_per_second
    return Roofline(max(compute, memory), "compute" if compute > memory else "memory")


@dataclass(frozen=True)
class Cost:
    """What the train stage costs on Vertex AI.

    Attributes:
        hourly: US dollars an hour.
        at_roofline: US dollars for all steps at the roofline's speed, without the machine's start.
        assumed: US dollars for the minutes that prices.json assumes of such a stage.
        minutes: Those minutes.
        verified: Whether the price is of Google's page, or derived.
    """

    hourly: float
    at_roofline: float
    assumed: float
    minutes: float
    verified: bool


def cost(seconds: float, topology: Topology) -> Cost | None:
    """Return what a training costs; None where Vertex AI or the table has no such machine.

    Args:
        seconds: Of the whole training, at the roofline.
        topology: Where it runs.
    """
    target = topology.target
    if target is None:
        return None
    stage = Stage(
        "train",
        "",
        target.machine_type,
        target.accelerator_type,
        target.accelerator_count,
        custom=True,
    )
    line = price(stage)
    if line.hourly is None or line.cost is None:
        return None
    at_roofline = line.hourly * seconds / 3600
    return Cost(line.hourly, at_roofline, line.cost, line.minutes, line.verified)
