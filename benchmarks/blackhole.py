"""A network that swallows everything: what needs none takes as long there as anywhere.

Root on Linux is needed, with `unshare`, `nsenter` and `ip`.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compare import compare

# TEST-NET-1, which belongs to nobody: https://www.rfc-editor.org/rfc/rfc5737
OUTSIDE = "192.0.2.1"
_LINK = [
    "link set lo up",
    # A pair whose far end drops what is not for it; its packets are counted.
    "link add out type veth peer name end",
    "address add 198.51.100.2/24 dev out",
    "link set out up",
    "link set end up",
    "neighbour add 198.51.100.1 lladdr 02:00:00:00:00:01 dev out",
    "route add default via 198.51.100.1",
]


class UnavailableError(Exception):
    """Network namespaces cannot be made here."""


@dataclass(frozen=True)
class BlackHole:
    """A network namespace whose way to the outside leads nowhere.

    Attributes:
        pid: A process in it.
    """

    pid: int

    def command(self, words: list[str]) -> list[str]:
        """Return the command that runs `words` in it."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *words]

    def packets(self) -> int:
        """Return how many packets were sent to the outside so far."""
        lines = Path(f"/proc/{self.pid}/net/dev").read_text().splitlines()
        (out,) = [line.split(":")[1].split() for line in lines if line.strip().startswith("out:")]
        return int(out[9])


@contextmanager
def black_hole() -> Iterator[BlackHole]:
    """Yield a black hole.

    Raises:
        UnavailableError: If there can be none here.
    """
    try:
        holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stderr=subprocess.PIPE)
    except OSError as error:
        raise UnavailableError(str(error)) from None
    try:
        ours = os.readlink("/proc/self/ns/net")
        with suppress(OSError):
            while holder.poll() is None and os.readlink(f"/proc/{holder.pid}/ns/net") == ours:
                time.sleep(0.01)
        made = BlackHole(holder.pid)
        # IPv6 looks for neighbours by itself.
        script = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6\n"
        script += "".join(f"ip {line}\n" for line in _LINK)
        done = subprocess.run(
            made.command(["sh", "-ec", script]), check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise UnavailableError(done.stderr.strip())
        yield made
    finally:
        holder.kill()
        holder.communicate()


def against_black_hole(work: Path, sources: tuple[str, str]) -> None:
    """Compare a conversion with and without a network, as whole processes."""
    command = [sys.executable, "-m", "idxpipe", "convert", "--output", str(work / "hole")]
    command += ["--images", sources[0], "--labels", sources[1]]

    def run(words: list[str]) -> Callable[[], object]:
        return lambda: subprocess.run(words, check=True, capture_output=True)

    try:
        with black_hole() as hole:
            compare(
                "whole processes, connections to the outside black-holed",
                {
                    "idxpipe convert, as the machine is": run(command),
                    "idxpipe convert, black-holed": run(hole.command(command)),
                },
            )
    except UnavailableError as error:
        print(f"\nblack hole: not measured, {error}")
