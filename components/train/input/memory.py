"""How much memory this process may still take."""

from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Return the bytes that can be allocated before the machine or the container runs out.

    Sources: `MemAvailable` of /proc/meminfo; memory.max and memory.current of control groups v2.
    """
    free = [_meminfo()]
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = (_CGROUP / "memory.current").read_text()
        if limit != "max":
            free.append(int(limit) - int(used))
    except OSError:
        pass  # Not in a control group, or one of version 1.
    return max(0, min(free))


def _meminfo() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 1 << 62
