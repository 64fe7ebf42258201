"""Google's TPU compiler, run on programs in a process of its own."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idxpipe.components.core.errors import SetupError, installing
from idxpipe.components.core.stores.temporary import temporary_folder
from idxpipe.pipeline.tpu import worker
from idxpipe.pipeline.tpu.topology import Topology

if TYPE_CHECKING:
    from idxpipe.components.train.lowering.programs import Program

# How libtpu words it, by where in the compilation it finds out.
_SIZE = r"[\d.]+[KMGT]?"
_MEMORY = (
    rf"Used (?P<used>{_SIZE}) of (?P<limit>{_SIZE}) hbm",
    rf"\((?P<used>{_SIZE})\) exceeds available HBM \((?P<limit>{_SIZE})\)",
)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True)
class Compiled:
    """What the compiler made of a program, for one replica.

    Attributes:
        hbm_bytes: Memory that a run of it takes: arguments, results that overwrite none of them,
            temporaries and code.
        flops: Floating-point operations of a run; the body of a loop is counted once.
        bytes: Bytes that they read and write, likewise.
    """

    hbm_bytes: int
    flops: float
    bytes: float


@dataclass(frozen=True)
class Refused:
    """Why the compiler did not take a program.

    Attributes:
        reason: In its words.
        out_of_memory: Whether the memory of the device was why.
        used: Bytes that the program would have taken, if the compiler says so; else 0.
        limit: Bytes that programs may take there, likewise: somewhat less than the device has.
    """

    reason: str
    out_of_memory: bool = False
    used: int = 0
    limit: int = 0


def check_installed() -> None:
    """Check that the compiler is there, in the version that worker.py is written for.

    Raises:
        SetupError: If it is not.
    """
    for package, wanted in (("jax", worker.JAX), ("jaxlib", worker.JAX), ("libtpu", worker.LIBTPU)):
        try:
            found = metadata.version(package)
        except metadata.PackageNotFoundError:
            found = "not installed"
        if found != wanted:
            raise SetupError(
                "Google's TPU compiler is not here in the version that is needed",
                where=package,
                expected=wanted,
                found=found,
                remedy=f"{installing('tpu-check')}; on a TPU's own machine, use a virtual "
                "environment of its own: "
                "TensorFlow for TPUs needs an older libtpu",
            )


def compile_all(
    topology: Topology, programs: "list[Program]"
) -> "Iterator[tuple[Program, Compiled | Refused]]":
    """Compile programs one after another and yield each with what came of it.

    Raises:
        SetupError: If the compiler cannot be started, crashes, or does not know the topology.
    """
    check_installed()
    with (
        temporary_folder("tpu") as folder,
        tempfile.TemporaryFile() as log,
    ):
        paths = [os.path.join(folder, f"{n}.mlir") for n in range(len(programs))]
        for path, program in zip(paths, programs, strict=True):
            Path(path).write_text(program.text)
        job = {
            "topology": topology.name,
            "programs": paths,
            "replicas": {path: p.replicas for path, p in zip(paths, programs, strict=True)},
        }
        # As a file, not a module: nothing of this process is loaded there.
        command = [sys.executable, "-P", worker.__file__]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process:
            try:
                process.stdin.write(json.dumps(job))  # type: ignore[union-attr]
                process.stdin.close()  # type: ignore[union-attr]
                _check_devices(_answer(process, topology, log), topology)
                for program in programs:
                    yield program, _read(_answer(process, topology, log))
            finally:
                # A compilation may take minutes: nobody waits for it after Ctrl-C.
                process.kill()


def _answer(process: "subprocess.Popen[str]", topology: Topology, log: Any) -> dict[str, Any]:
    line = process.stdout.readline()  # type: ignore[union-attr]
    if line:
        return dict(json.loads(line))
    code = process.wait()
    log.seek(0)
    said = [x for x in log.read().decode(errors="replace").splitlines() if x.strip()]
    raise SetupError(
        "the TPU compiler ended without an answer",
        where=topology.name,
        found=f"exit code {code}: {said[-1] if said else 'nothing on stderr'}",
        remedy="if the topology is one that Cloud TPU has, report it as a defect",
    )


def _check_devices(answer: dict[str, Any], topology: Topology) -> None:
    if "refused" in answer:
        raise SetupError(
            "the TPU compiler does not know this topology",
            where=topology.name,
            found=answer["refused"],
            remedy="give the shape of a slice that Cloud TPU has",
        )
    if answer["devices"] != topology.replicas:
        raise SetupError(
            "the TPU compiler has a different number of replicas there",
            where=topology.name,
            expected=topology.replicas,
            found=answer["devices"],
        )


def _read(answer: dict[str, Any]) -> Compiled | Refused:
    if "refused" in answer:
        return _refused(answer["refused"])
    hbm = answer["arguments"] + answer["outputs"] - answer["aliased"]
    return Compiled(
        hbm_bytes=hbm + answer["temporaries"] + answer["code"],
        flops=answer["flops"],
        bytes=answer["bytes"],
    )


def _refused(message: str) -> Refused:
    reason = message.strip().splitlines()[0]
    if not (message.startswith("RESOURCE_EXHAUSTED") and "hbm" in message.lower()):
        return Refused(reason)
    for pattern in _MEMORY:
        found = re.search(pattern, message)
        if found:
            return Refused(
                reason, out_of_memory=True, **{k: _size(v) for k, v in found.groupdict().items()}
            )
    return Refused(reason, out_of_memory=True)


def _size(text: str) -> int:
    number, unit = re.fullmatch(r"([\d.]+)([KMGT]?)", text).groups()  # type: ignore[union-attr]
    return int(float(number) * _UNITS[unit])
