"""Parameters of the evaluate stage, and of predictions."""

import dataclasses

from idxpipe.components.core.config import Config, parameter

TRAINING, UPRIGHT = "training", "upright"
_TRUST = (
    "run a model even if it does more than compute: its graph may read and write files and run "
    "code; for models whose author you know"
)


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(Config):
    """How much of the split is evaluated, and what it is compared with."""

    eval_batch_size: int = parameter(
        1000,
        "examples per evaluated batch; no effect on the result",
        unit="examples",
        minimum=1,
        seldom=True,
    )
    eval_steps: int = parameter(
        0,
        "batches to evaluate; 0 is the whole split, every example once",
        unit="batches",
        minimum=0,
        seldom=True,
    )
    top_k: int = parameter(
        5,
        "top-k accuracy counts a label among so many most probable classes, at most all",
        unit="classes",
        minimum=1,
    )
    baseline: str = parameter(
        "",
        "metrics.json of an earlier evaluation, or its folder; a model that is significantly worse "
        "on the same examples fails the gate with exit code 4; empty compares with none",
    )
    baseline_alpha: float = parameter(
        0.05,
        "the model is worse if McNemar's exact one-sided test gives a p-value below this",
        minimum=0.0,
        maximum=1.0,
        seldom=True,
    )
    trust_model: bool = parameter(default=False, help=_TRUST, seldom=True)


@dataclasses.dataclass(frozen=True)
class PredictConfig(Config):
    """How images are classified."""

    top_k: int = parameter(
        1, "most probable classes that are given, at most all", unit="classes", minimum=1
    )
    batch_size: int = parameter(
        1000, "images at a time; no effect on the result", unit="images", minimum=1
    )
    layout: str = parameter(
        TRAINING,
        "how pixels stand in IDX files: as in those of the training, whose layout (transposed, "
        "channels first, flattened) the model remembers, or upright, channels last",
        choices=(TRAINING, UPRIGHT),
    )
    invert: bool = parameter(
        default=False,
        help="take dark for bright and the reverse, as for ink on paper where the model was "
        "trained on a dark ground",
    )
    resize: bool = parameter(
        default=False, help="scale PNG images to the size that the model takes"
    )
    grayscale: bool = parameter(
        default=False,
        help="take the brightness of coloured PNG images where the model takes shades of grey",
    )
    accelerator: str = parameter(
        "auto",
        "devices to run on; auto takes the GPUs if there are any, else the CPU",
        choices=("auto", "cpu", "gpu"),
    )
    trust_model: bool = parameter(default=False, help=_TRUST, seldom=True)
