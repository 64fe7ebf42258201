"""A training step of another framework, in a process of its own."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPTS = Path(__file__).parent / "rivals"


@contextmanager
def rival(python: str, script: str, *arguments: object) -> Iterator[Callable[[int], float] | None]:
    """Yield a function from a number of steps to the seconds they took; None if it cannot run.

    Args:
        python: Interpreter of the environment that has the framework.
        script: Name in benchmarks/rivals.
        arguments: Its arguments.
    """
    command = [python, str(SCRIPTS / script), *map(str, arguments)]
    if not Path(python).exists():
        print(f"  {script}: skipped, no {python}; see `make bench-train`")
        yield None
        return
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin and process.stdout and process.stderr

        def take(steps: int) -> float:
            process.stdin.write(f"{steps}\n")
            process.stdin.flush()
            return float(process.stdout.readline())

        if process.stdout.readline().strip() != "ready":
            print(f"  {script}: skipped, {process.stderr.read().strip().splitlines()[-1]}")
            yield None
            return
        yield take
        process.stdin.close()
