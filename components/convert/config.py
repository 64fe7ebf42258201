"""Parameters of the convert stage."""

import dataclasses
import re
import shlex

from idxpipe.components.core.config import Config, parameter
from idxpipe.components.core.dataset.manifest import (
    ARRAY_RECORD,
    COMPRESSIONS,
    FILE_FORMATS,
    FILE_ORDER,
    NO_COMPRESSION,
    TFRECORD,
)
from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.idx.files import name_of_data
from idxpipe.components.core.shapes import AUTO

IDX, NPY, PNG = EXPORTS = ("idx", "npy", "png")
DIRECT_RUNNER = "DirectRunner"
# Beam's, without those for its own tests and for notebooks.
RUNNERS = (
    DIRECT_RUNNER,
    "DataflowRunner",
    "FlinkRunner",
    "SparkRunner",
    "DaskRunner",
    "PortableRunner",
    "PrismRunner",
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclasses.dataclass(frozen=True)
class ConvertConfig(Config):
    """What a dataset holds, how it is cut into shards, and what runs the conversion."""

    dataset_name: str = parameter(
        AUTO,
        "first part of the shards' file names, and what the model card calls the data; `auto` is "
        "what the images file's name begins with, e.g. emnist_letters, or its folder's name",
    )
    num_shards: int = parameter(
        0, "files per split; 0 aims at 150 MB each", unit="files", minimum=0
    )
    file_format: str = parameter(
        TFRECORD,
        "format of the shards; array_record is read by Grain and by TFDS, at random too",
        choices=FILE_FORMATS,
    )
    compression: str = parameter(
        NO_COMPRESSION, "of each TFRecord file as a whole", choices=COMPRESSIONS
    )
    shuffle_seed: int = parameter(
        FILE_ORDER,
        "seed of a permutation of all records over the shards; -1 keeps the order of the file",
        minimum=FILE_ORDER,
        maximum=2**31 - 1,
    )
    max_examples: int = parameter(
        0,
        "examples that are taken of a split, for a quick try: the first ones, or with a "
        "shuffle_seed some of each class by its share; 0 takes all",
        unit="examples",
        minimum=0,
    )
    validation_fraction: float = parameter(
        0.0,
        "share of the training split that becomes a validation set, in the folder `validation` "
        "of its dataset; which examples depends on their number in the file alone",
        minimum=0.0,
        maximum=0.9,
    )
    # Shards and manifest are the same bytes, whatever makes them.
    runner: str = parameter(
        DIRECT_RUNNER,
        "Beam runner; DirectRunner is the in-memory one of this process",
        affects_output=False,
    )
    beam_options: str = parameter(
        "",
        "further Beam options, as on a command line, e.g. `--project=p --region=r`",
        seldom=True,
        affects_output=False,
    )

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            UsageError: If a value is out of bounds, the name cannot be part of a file name, the
                format is not compressed so, no runner has that name, or the options are no command
                line.
        """
        super().__post_init__()
        check_name("dataset_name", self.dataset_name)
        if self.runner not in RUNNERS and "." not in self.runner:
            raise UsageError(
                "no such runner",
                where="runner",
                expected=", ".join(RUNNERS) + ", or a class of your own as MODULE.CLASS",
                found=repr(self.runner),
            )
        if self.file_format == ARRAY_RECORD and self.compression != NO_COMPRESSION:
            raise UsageError(
                "array_record files are not compressed as a whole",
                where="compression",
                expected=f"{NO_COMPRESSION}, or the file_format {TFRECORD}",
                found=self.compression,
            )
        try:
            shlex.split(self.beam_options)
        except ValueError as error:
            raise UsageError(
                "not words of a command line",
                where="beam_options",
                found=f"{self.beam_options!r}: {error}",
                remedy="close the quotation",
            ) from None


def named_by(config: ConvertConfig, images: str) -> ConvertConfig:
    """Return the configuration with the name of the data set, if it is to be found.

    Args:
        config: What was asked for.
        images: URI of the images.
    """
    if config.dataset_name != AUTO:
        return config
    return dataclasses.replace(config, dataset_name=name_of_data(images))


def check_name(where: str, name: str) -> None:
    """Check that `name` can be part of a shard's file name, as TFDS reads it.

    Raises:
        UsageError: If it cannot.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            "not a name",
            where=where,
            expected="a letter, then letters, digits and _",
            found=repr(name),
        )
