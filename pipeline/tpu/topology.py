"""The TPU slices that a recipe can be compiled for, and what their chips can do."""

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.vertex.targets import TARGETS, Target

TABLE = "chips.json"

# The smallest of each generation that has several replicas; where TensorFlow runs, what Vertex AI
# has.
ONE_OF_EACH = ("v2:2x2", "v3:2x2", "v4:2x2x1", "v5e:2x2", "v5p:2x2x1", "v6e:2x2")


@dataclass(frozen=True)
class Chip:
    """What one replica has of a chip of a generation: a core, or the whole chip.

    Attributes:
        generation: v2, v3, v4, v5e, v5p or v6e.
        replicas: Replicas on a chip.
        hbm_bytes: High-bandwidth memory of a replica.
        bytes_per_second: Its bandwidth.
        flops: Its peak, in floating-point operations a second, bfloat16.
        tensorflow: Whether TensorFlow runs there.
        source: Where the figures are from.
    """

    generation: str
    replicas: int
    hbm_bytes: int
    bytes_per_second: float
    flops: float
    tensorflow: bool
    source: str


@dataclass(frozen=True)
class Topology:
    """A slice of a TPU.

    Attributes:
        name: As the compiler calls it: generation, colon, chips along each axis.
        chip: What a replica has.
        replicas: Replicas on it.
        target: The machine of Vertex AI that has it, if `idxpipe compile` knows one.
    """

    name: str
    chip: Chip
    replicas: int
    target: Target | None


def find_topology(name: str) -> Topology:
    """Return the topology that `name` means.

    Args:
        name: As the compiler writes it (v5e:2x2), Cloud TPU (v5litepod-4, v3-8), Vertex AI
            (ct5lp-hightpu-4t), or `idxpipe compile --accelerator` (tpu-v5e-4).

    Raises:
        UsageError: If there is none.
    """
    table = _table()
    plain = name.strip().lower().removeprefix("tpu-")
    found = next((key for key, names in table["topologies"].items() if plain in names), plain)
    generation, _, shape = found.partition(":")
    sides = shape.split("x")
    if generation not in table["chips"] or not all(s.isdigit() and int(s) > 0 for s in sides):
        raise UsageError(
            "no such TPU topology",
            where="--topology",
            expected="one of " + ", ".join(f"{key} ({n[0]})" for key, n in known().items()),
            found=repr(name),
            remedy="other slices of these generations go by their shape, as v5e:4x8",
        )
    chip = _chip(generation, table["chips"][generation])
    return Topology(
        name=found,
        chip=chip,
        replicas=chip.replicas * math.prod(map(int, sides)),
        target=next((t for t in map(_target, table["topologies"].get(found, [])) if t), None),
    )


def known() -> dict[str, list[str]]:
    """Return the names of topologies, each with what else it is called."""
    topologies: dict[str, list[str]] = _table()["topologies"]
    return topologies


def _target(name: str) -> Target | None:
    return TARGETS.get(f"tpu-{name}")


def _chip(generation: str, facts: dict[str, Any]) -> Chip:
    replicas = facts["replicas"]
    return Chip(
        generation=generation,
        replicas=replicas,
        hbm_bytes=facts["hbm_gib"] * 2**30 // replicas,
        bytes_per_second=facts["hbm_gb_per_s"] * 1e9 / replicas,
        flops=facts["tflops"] * 1e12 / replicas,
        tensorflow=facts.get("tensorflow", True),
        source=facts["source"],
    )


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(resources.files(__package__).joinpath(TABLE).read_text())
    return table
