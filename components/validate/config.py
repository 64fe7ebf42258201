"""Parameters of the validate stage."""

import dataclasses

from idxpipe.components.core.config import parameter
from idxpipe.components.core.idx.layout import LayoutConfig

AUTO = "auto"
HEADERS = "headers"
FULL = "full"


@dataclasses.dataclass(frozen=True)
class ValidateConfig(LayoutConfig):
    """What the files are held against, besides themselves and each other."""

    depth: str = parameter(
        AUTO,
        "headers looks at headers, lengths and stored checksums; full at every byte; auto is full "
        "for local files",
        choices=(AUTO, HEADERS, FULL),
    )
    data_baseline: str = parameter(
        "", "URI of an earlier validation's JSON report to compare with; empty compares with none"
    )
    max_share_change: float = parameter(
        0.05,
        "how far a class's share of its split may be from its share in data_baseline",
        minimum=0.0,
        maximum=1.0,
        seldom=True,
    )
