"""The project as a library: what `import idxpipe` offers to notebooks and programs.

Each function does what the command of its name does, takes the parameters that `idxpipe params`
lists as keywords, and raises `IdxpipeError` where the command would print one.
"""

import dataclasses
import json
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.core import storage
from idxpipe.components.core.config import Config, fields
from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.errors import UsageError, meant
from idxpipe.components.core.idx.files import DataConfig, find_files
from idxpipe.components.core.idx.layout import LayoutConfig
from idxpipe.components.evaluate.config import EvaluateConfig, PredictConfig
from idxpipe.components.gate.config import GateConfig
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.validate.config import HEADERS, ValidateConfig
from idxpipe.pipeline.state import LATEST, Progress, RunRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from idxpipe.components.core.dataset.manifest import Dataset
    from idxpipe.components.evaluate.metrics.figures import Figures
    from idxpipe.components.evaluate.predict import Prediction
    from idxpipe.components.train.result import TrainResult
    from idxpipe.components.validate.validation import Validation


class Examples(NamedTuple):
    """A dataset in memory.

    Attributes:
        images: [num_examples, *image_shape], in the dataset's dtype.
        labels: int64 [num_examples].
        dataset: Its manifest: number of classes, class counts, sources, shards.
    """

    images: "NDArray[np.generic]"
    labels: "NDArray[np.int64]"
    dataset: "Dataset"


def validate(
    data: str = "", *, report: str | None = None, page: str | None = None, **parameters: Any
) -> "Validation":
    """Check the four IDX files of a data set.

    Args:
        data: Folder with the files; or name each: `train_images=URI` and so on.
        report: URI that gets the JSON report.
        page: URI that gets the HTML page.
        parameters: Of the stage validate.

    Raises:
        DataError: Naming the first fault, with the byte.
        UsageError: If a parameter is unknown or out of bounds.
    """
    from idxpipe.components.validate.stage import validate as stage

    where, config = _configs({"data": data, **parameters}, DataConfig, ValidateConfig)
    return stage(find_files(where), config, report, page, fingerprints=config.depth != HEADERS)


def convert(data: str, output: str, **parameters: Any) -> "dict[str, Dataset]":
    """Convert both splits of a data set to sharded records, with Beam.

    Args:
        data: Folder with the four IDX files.
        output: Folder that gets the datasets `train` and `test`.
        parameters: Of the stage convert, and how the files are laid out.

    Returns:
        The manifests by split.

    Raises:
        DataError: Naming the first fault, with the byte.
        UsageError: If a parameter is unknown or out of bounds.
        SetupError: If the output cannot be written.
    """
    from idxpipe.components.convert.stage import convert as stage

    config, layout = _configs(parameters, ConvertConfig, LayoutConfig)
    files = find_files(DataConfig(data=data))
    made = {}
    for split in ("train", "test"):
        images, labels = (getattr(files, f"{split}_{kind}") for kind in ("images", "labels"))
        folder = storage.join(output, split)
        made[split] = stage(images, labels, folder, config, layout, split=split)
        # As in the pipeline: the training labels say how many classes there are, and only the
        # training split gives to a validation set.
        layout = dataclasses.replace(layout, num_classes=made[split].num_classes)
        config = dataclasses.replace(config, validation_fraction=0.0)
    return made


def load_dataset(records: str) -> Examples:
    """Read a converted dataset into memory; every checksum is checked.

    Args:
        records: Folder of the dataset.

    Raises:
        DataError: If it is no finished dataset, or damaged.
    """
    import numpy as np

    from idxpipe.components.core.dataset.examples import read_examples
    from idxpipe.components.core.dataset.manifest import read_dataset, shard_uris

    dataset = read_dataset(records)
    shape = (dataset.num_examples, *dataset.image_shape)
    images = np.empty(shape, dataset.image_dtype)
    labels = np.empty(dataset.num_examples, np.int64)
    start = 0
    for rows, classes in read_examples(shard_uris(records, dataset), dataset):
        stop = start + len(classes)
        images[start:stop] = rows.reshape(-1, *dataset.image_shape)
        labels[start:stop] = classes
        start = stop
    return Examples(images, labels, dataset)


def train(records: str, output: str, **parameters: Any) -> "TrainResult":
    """Train a model, or go on training the one in `output`.

    Args:
        records: Folder of a converted dataset.
        output: Folder that gets model/, checkpoints/ and logs/.
        parameters: Of the stage train, such as `recipe="fast"` or `train_steps=200`.

    Raises:
        UsageError: If a parameter is unknown or out of bounds.
        DataError: If the dataset is damaged, or the checkpoints belong to a different training.
        SetupError: If the accelerator is absent or an output cannot be written.
    """
    from idxpipe.components.train.stage import train as stage

    config, device = _configs(parameters, TrainConfig, DeviceConfig)
    names = ("model", "checkpoints", "logs")
    model, checkpoints, logs = (storage.join(output, name) for name in names)
    return stage(records, model, checkpoints, logs, config, device)


def evaluate(records: str, model: str, output: str, **parameters: Any) -> "Figures":
    """Evaluate a model on a dataset, and judge it by `min_accuracy` and `baseline`.

    Args:
        records: Folder of a converted dataset.
        model: Folder of the model, or the output of `train`.
        output: Folder that gets metrics.json and report.html.
        parameters: Of the stages evaluate and gate.

    Raises:
        UsageError: If a parameter is unknown or out of bounds.
        DataError: If the dataset or the model is damaged, or they do not fit each other.
        GateError: If the model does not pass; metrics and report are written all the same.
    """
    from idxpipe.components.evaluate.stage import evaluate as stage
    from idxpipe.components.gate.stage import gate

    config, device, wanted = _configs(parameters, EvaluateConfig, DeviceConfig, GateConfig)
    metrics, report = (storage.join(output, name) for name in ("metrics.json", "report.html"))
    evaluation = stage(records, model, metrics, report, config, device)
    gate(metrics, wanted)
    return evaluation


def predict(
    model: str, images: "str | Sequence[str] | NDArray[np.generic]", **parameters: Any
) -> "list[Prediction]":
    """Classify images.

    Args:
        model: Folder of the model, or the output of `train`.
        images: IDX files, PNG files or folders of PNG files; or an array [B, *image_shape].
        parameters: `top_k`, `batch_size`, `accelerator`.

    Raises:
        UsageError: If a parameter is unknown or out of bounds.
        DataError: If the model is none, or an image is not of the shape and type that it takes.
    """
    from idxpipe.components.evaluate import predict as stage

    (config,) = _configs(parameters, PredictConfig)
    if not isinstance(images, Sequence):
        return list(stage.predict_array(model, images, config))
    uris = [images] if isinstance(images, str) else list(images)
    return list(stage.predict(stage.prepare(model, uris, config)))


def run(
    data: str | None = None,
    *,
    root: str = "out",
    stages_from: str = "",
    only: str = "",
    earlier: str = LATEST,
    pipeline: str = "",
    cache: bool = True,
    jobs: int | None = None,
    progress: Progress | None = None,
    **parameters: Any,
) -> RunRecord:
    """Run the compiled pipeline, or some of its stages again, on this machine.

    Args:
        data: Folder with the four IDX files; data/mnist by default.
        root: Folder or bucket of all runs and their artifacts.
        stages_from: Run this stage of an earlier run and those after it again.
        only: Run this stage alone again.
        earlier: That run: its id or the beginning of it.
        pipeline: The compiled pipeline; pipeline.yaml by default.
        cache: Take unchanged stages from earlier runs.
        jobs: How many stages may run side by side; one per CPU by default.
        progress: Called with the record of a task that starts, waits or ends; by default a line on
            stderr tells it.
        parameters: Of the pipeline; `idxpipe params` lists them.

    Returns:
        The record: stages, their times and artifacts, metrics.

    Raises:
        IdxpipeError: What the stage that failed ended in; or before anything starts, a UsageError.
    """
    from idxpipe.pipeline import launch
    from idxpipe.pipeline.failure import error_of
    from idxpipe.pipeline.progress import Lines

    assignments = [f"{name}={_as_text(value)}" for name, value in parameters.items()]
    if stages_from or only:
        job = launch.part(
            root,
            earlier,
            stages_from=stages_from,
            only=only,
            pipeline=pipeline,
            data=data,
            assignments=assignments,
        )
    else:
        job = launch.whole(pipeline, data, assignments)
    with nullcontext(progress) if progress else Lines() as shown:
        record = launch.start(job, root, cache=cache, jobs=jobs, progress=shown)
    error = error_of(record)
    if error:
        raise error
    return record


def _configs(values: dict[str, Any], *kinds: type[Config]) -> tuple[Any, ...]:
    """Return a configuration of each kind from the values that are its own.

    Raises:
        UsageError: If a value is nobody's, or out of bounds.
    """
    known = {field.name for kind in kinds for field in fields(kind)}
    for name in values:
        if name not in known:
            raise UsageError(
                "no such parameter",
                where=name,
                expected=", ".join(sorted(known)),
                remedy=meant(name, known, "idxpipe params explains each"),
            )
    return tuple(kind.of(values) for kind in kinds)


def _as_text(value: Any) -> str:
    """Return a parameter's value as `--set` takes it."""
    return value if isinstance(value, str) else json.dumps(value)
