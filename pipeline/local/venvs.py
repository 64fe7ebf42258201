"""A virtual environment for each set of packages that a component asks pip for.

KFP's lightweight components install kfp and `packages_to_install` into the interpreter of their
image. Here that would be idxpipe's own: another kfp, another numpy for every stage after it. The
environments are kept, so that only the first run installs.

    FOLDER/KEY        one environment
    FOLDER/KEY.done   it is complete
    FOLDER/KEY.lock   held while it is made
"""

import hashlib
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from idxpipe.components.core import storage
from idxpipe.components.core.errors import SetupError
from idxpipe.pipeline.local.cache import lock
from idxpipe.pipeline.spec.graph import Container

_PIP = re.compile(r"\bpip3?\b[^|;&]*\binstall\b")
# How kfp.dsl.component_factory ends the script that installs, and then starts the component.
_THEN = '"$0" "$@"'

RunCommand = Callable[[Sequence[str], str], int]


def folder_of(root: str) -> str:
    """Return where the environments of a root are kept; those of a remote root, on this machine."""
    if storage.is_local(root):
        return storage.join(storage.local_path(root), "venvs")
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(cache, "idxpipe", "venvs")


def prepare(
    container: Container,
    folder: str,
    run: RunCommand,
    *,
    stopped: threading.Event,
    waiting: Callable[[str], None],
) -> str | None:
    """Return the folder of the programs of a component's environment; None if it needs none.

    Args:
        container: What runs.
        folder: From `folder_of`.
        run: Runs a command with a folder of programs first on the path, returns its exit code.
        stopped: Set when the run is cancelled while this waits for another one.
        waiting: Told so if another one makes the same environment just now.

    Raises:
        Stopped: If `stopped` was set.
        SetupError: If the environment cannot be made, or pip installs nothing.
    """
    words = [*container.command, *container.args]
    scripts = [word for word in words if _PIP.search(word)]
    if not scripts:
        return None
    # The function's own source is no part of it.
    text = "\0".join([sys.version, *scripts])
    place = Path(folder, hashlib.sha256(text.encode()).hexdigest()[:20])
    programs, done = str(place / "bin"), place.with_suffix(".done")
    with lock(str(place.with_suffix(".lock")), stopped, waiting):
        if done.exists():
            return programs
        # Left by a run that was killed.
        shutil.rmtree(place, ignore_errors=True)
        if run([sys.executable, "-P", "-m", "venv", str(place)], ""):
            raise _error(container, "a virtual environment cannot be made")
        for script in scripts:
            # The component itself is left out.
            if script.rstrip().endswith(_THEN) and run(["sh", "-c", script, "true"], programs):
                raise _error(container, "its packages cannot be installed")
        done.touch()
    return programs


def _error(container: Container, found: str) -> SetupError:
    return SetupError(
        "component has no environment to run in",
        where=container.image,
        expected="the packages that its component asks pip for",
        found=found,
        remedy="see the log of the stage; pip needs a package index that has them",
    )
