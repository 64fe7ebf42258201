"""Names of what desktops, editors and NFS leave wherever somebody looked."""

import re

_LITTER = re.compile(
    r"\.DS_Store|\._.*|\.nfs[0-9a-f]+|\.ipynb_checkpoints|__MACOSX|Thumbs\.db|desktop\.ini|"
    r".*~|\..*\.sw[a-p]"
)


def is_litter(name: str) -> bool:
    """Tell whether a file is no data of anybody's.

    Args:
        name: Relative to the folder that was listed, with slashes.
    """
    return any(_LITTER.fullmatch(part) for part in name.split("/"))
