"""Pages of HTML: self-contained, everything that is put into them escaped.

A page is a template in its stage's folder that extends base.html of this one.
"""

import base64
import functools
import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from idxpipe import __version__
from idxpipe.components.core import host

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.bccache import Bucket


def render(folder: str, name: str, **values: Any) -> str:
    """Return a page.

    Args:
        folder: Of its template.
        name: File name of its template.
        values: What the template names; text is escaped, unless it is `markupsafe.Markup`.
    """
    return _environment(folder).get_template(name).render(version=__version__, **values)


def percent(share: float, digits: int = 1) -> str:
    """Return a share of one as a percentage."""
    return f"{100 * share:.{digits}f}\u202f%"


def _sha256(text: str) -> str:
    """Return the digest by which a page's policy knows its own script.

    https://www.w3.org/TR/CSP3/#grammardef-hash-source
    """
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@functools.cache
def _environment(folder: str) -> "Environment":
    from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined

    class Kept(FileSystemBytecodeCache):
        """Templates as they were compiled: that takes longer than to fill them in."""

        def load_bytecode(self, bucket: "Bucket") -> None:
            # Whatever is wrong with what is kept, it is made again.
            try:
                super().load_bytecode(bucket)
            except Exception:
                bucket.reset()

        def dump_bytecode(self, bucket: "Bucket") -> None:
            with suppress(OSError):
                super().dump_bytecode(bucket)

    kept = host.cache_folder("templates")
    made = Environment(
        loader=FileSystemLoader([folder, os.path.dirname(__file__)]),
        bytecode_cache=Kept(kept) if kept else None,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["percent"] = percent
    made.filters["sha256"] = _sha256
    made.filters["number"] = "{:,}".format
    return made
