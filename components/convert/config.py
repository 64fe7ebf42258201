"""Parameters of the convert stage."""

import dataclasses
import re
import shlex

from components.core.config import Config, parameter
from components.core.errors import UsageError

DIRECT_RUNNER = "DirectRunner"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclasses.dataclass(frozen=True)
class ConvertConfig(Config):
    """How a split is cut into shards, and what runs the conversion."""

    dataset_name: str = parameter("mnist", "first part of the shards' file names")
    num_shards: int = parameter(
        0, "TFRecord files per split; 0 aims at 150 MB each", unit="files", minimum=0
    )
    runner: str = parameter(
        DIRECT_RUNNER, "Beam runner; DirectRunner is the in-memory one of this process"
    )
    beam_options: str = parameter(
        "", "further Beam options, as on a command line, e.g. `--project=p --region=r`"
    )

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            UsageError: If a value is out of bounds, the name cannot be part of a file name, or the
                options are no command line.
        """
        super().__post_init__()
        check_name("dataset_name", self.dataset_name)
        try:
            shlex.split(self.beam_options)
        except ValueError as error:
            raise UsageError(
                "not words of a command line",
                where="beam_options",
                found=f"{self.beam_options!r}: {error}",
                remedy="close the quotation",
            ) from None


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
