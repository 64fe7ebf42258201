"""Parameters of the gate stage."""

import dataclasses

from idxpipe.components.core.config import Config, parameter


@dataclasses.dataclass(frozen=True)
class GateConfig(Config):
    """What is good enough."""

    min_accuracy: float = parameter(
        0.0, "gate: a lower accuracy fails the stage with exit code 4", minimum=0.0, maximum=1.0
    )
