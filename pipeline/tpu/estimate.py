"""How fast a program could be, by the roofline model.

Source of the model: S. Williams, A. Waterman, D. Patterson, https://doi.org/10.1145/1498765.1498785
"""

from dataclasses import dataclass

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
