"""Parameters of the convert stage."""

import dataclasses

from components.core.config import Config, parameter


@dataclasses.dataclass(frozen=True)
class ConvertConfig(Config):
    """How a split is cut into shards, and what runs the conversion."""

    num_shards: int = parameter(
        0, "TFRecord files per split; 0 aims at 150 MB each", unit="files", minimum=0
    )
    runner: str = parameter(
        "DirectRunner", "Beam runner; DirectRunner is the in-memory one of this process"
    )
    beam_options: str = parameter(
        "", "further Beam options, as on a command line, e.g. `--project=p --region=r`"
    )
