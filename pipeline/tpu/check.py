"""What the TPU compiler says of a recipe: per topology, of each program."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from idxpipe.components.core.narration import say
from idxpipe.pipeline.tpu.compiler import Compiled, Refused, compile_all
from idxpipe.pipeline.tpu.estimate import Roofline, roofline
from idxpipe.pipeline.tpu.largest import Largest, find_largest
from idxpipe.pipeline.tpu.topology import Topology

if TYPE_CHECKING:
    from idxpipe.components.train.lowering.programs import Program


@dataclass(frozen=True)
class Recipe:
    """What to compile: how each program is made, and how much there is to train.

    Attributes:
        programs: From the number of replicas to the programs, the training step first.
        step: From a global batch and the number of replicas to the training step.
        batch_size: Global batch size.
        train_steps: Steps of the whole training.
    """

    programs: "Callable[[int], list[Program]]"
    step: "Callable[[int, int], Program]"
    batch_size: int
    train_steps: int


@dataclass(frozen=True)
class Finding:
    """What came of one program.

    Attributes:
        name: The program's.
        replicas: Replicas that run it together.
        examples: Examples that one run takes.
        steps: Training steps of one run; 0 if it does not train.
        outcome: What the compiler made of it.
        bound: Its roofline; None for a program that is refused, or is a loop, whose body the
            compiler counts once.
    """

    name: str
    replicas: int
    examples: int
    steps: int
    outcome: Compiled | Refused
    bound: Roofline | None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        body: dict[str, Any] = {
            "program": self.name,
            "replicas": self.replicas,
            "examples": self.examples,
            "steps": self.steps,
            "compiles": isinstance(self.outcome, Compiled),
            **asdict(self.outcome),
        }
        if self.bound:
            body["roofline"] = {
                **asdict(self.bound),
                "examples_per_second": self.examples / self.bound.seconds,
            }
        return body


@dataclass(frozen=True)
class Report:
    """What came of a recipe on one topology.

    Attributes:
        topology: Where.
        findings: Of each program.
        seconds: Of all training steps at the roofline; None if the step does not compile.
        largest: The largest batch; None if it was not searched for.
    """

    topology: Topology
    findings: tuple[Finding, ...]
    seconds: float | None
    largest: Largest | None

    @property
    def compiles(self) -> bool:
        """Whether every program does."""
        return all(isinstance(finding.outcome, Compiled) for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        chip = self.topology.chip
        return {
            "topology": self.topology.name,
            "replicas": self.topology.replicas,
            "tensorflow_runs_there": chip.tensorflow,
            "hbm_bytes_per_replica": chip.hbm_bytes,
            "peak_flops_per_replica": chip.flops,
            "bytes_per_second_per_replica": chip.bytes_per_second,
            "source": chip.source,
            "compiles": self.compiles,
            "programs": [finding.to_json() for finding in self.findings],
            "seconds_at_roofline": self.seconds,
            "largest_batch": None if self.largest is None else asdict(self.largest),
        }


def check(recipe: Recipe, topology: Topology, search: int) -> Report:
    """Compile a recipe's programs for a topology.

    Args:
        recipe: What to compile.
        topology: For which TPU.
        search: How many compilations the search for the largest batch may take.

    Raises:
        UsageError: If the batch cannot be split over the replicas.
        SetupError: If a program cannot be lowered, or the compiler is not here or breaks.
    """
    programs = recipe.programs(topology.replicas)
    findings = []
    for program, outcome in compile_all(topology, programs):
        findings.append(_finding(program, outcome, topology))
        say(f"{topology.name}: {program.name} {_verb(outcome)}")
    first = findings[0]
    seconds = largest = None
    if first.bound and isinstance(first.outcome, Compiled):
        seconds = first.bound.seconds * recipe.train_steps
        if search:
            largest = _largest(recipe, topology, first.outcome, search)
    return Report(topology, tuple(findings), seconds, largest)


def _finding(program: "Program", outcome: Compiled | Refused, topology: Topology) -> Finding:
    bound = None
    if isinstance(outcome, Compiled) and program.steps <= 1:
        bound = roofline(outcome, topology)
    return Finding(program.name, program.replicas, program.examples, program.steps, outcome, bound)


def _largest(recipe: Recipe, topology: Topology, first: Compiled, search: int) -> Largest:
    def attempt(batch_size: int) -> Compiled | Refused:
        program = recipe.step(batch_size, topology.replicas)
        outcome = next(compile_all(topology, [program]))[1]
        say(f"{topology.name}: batch size {batch_size} {_verb(outcome)}")
        return outcome

    return find_largest(
        attempt,
        recipe.batch_size,
        first,
        topology.replicas,
        topology.chip.hbm_bytes,
        search,
    )


def _verb(outcome: Compiled | Refused) -> str:
    if isinstance(outcome, Compiled):
        return "compiles"
    return "does not fit" if outcome.out_of_memory else "does not compile"
