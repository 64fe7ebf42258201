"""How much memory this process may still take."""

from pathlib import Path

from idxpipe.components.core.host import free_memory

_CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Return the bytes that can be allocated before the machine or the container runs out.

    Source: memory.max and memory.current of control groups v2.
    """
    free = [free_memory()]
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = (_CGROUP / "memory.current").read_text()
        if limit != "max":
            free.append(int(limit) - int(used))
    except OSError:
        pass  # Not in a control group, or one of version 1.
    return max(0, min(free))
