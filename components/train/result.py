"""Where a training reads and writes, and what it comes to."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where a training reads and writes.

    Attributes:
        records: Folder of a finished dataset.
        model: Folder for the SavedModel and its model.json.
        checkpoints: Folder for the checkpoints and their recipe.json.
        logs: Folder for TensorBoard's events and history.json.
    """

    records: str
    model: str
    checkpoints: str
    logs: str


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """What a training came to.

    Attributes:
        step: Global step of the exported model.
        loss: Mean training loss of the last host loop.
        examples_per_second: Median over this run's loops, without the first one, which also
            compiles; 0 if nothing was left to train.
        resumed_from: Global step of the checkpoint that this run went on from, if any.
        parameters: Number of trained weights.
        digest: Of the model that was published, as `core.integrity.digest.digest_of` has it.
    """

    step: int
    loss: float
    examples_per_second: float
    resumed_from: int | None
    parameters: int
    digest: str
