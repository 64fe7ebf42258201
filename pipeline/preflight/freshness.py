"""The compiled pipeline: is it what this code compiles to?"""

import shlex
import subprocess
import sys

from idxpipe.pipeline.compile import PIPELINE_FILE, shipped_file
from idxpipe.pipeline.preflight.check import Check, fail, ok, unknown
from idxpipe.pipeline.spec.graph import Constant, Pipeline
from idxpipe.pipeline.spec.machines import stages
from idxpipe.pipeline.vertex.targets import TARGETS, Target

TIMEOUT_SECONDS = 60
REGISTER = {
    "register_as": "--register",
    "project": "--project",
    "region": "--region",
    "register_when": "--register-when",
    "serving_image": "--serving-image",
}
"""Flags of compile by the parameters of the stage that registers the model."""


def check_fresh(path: str, pipeline: Pipeline) -> Check:
    """Check that the file is not stale, by compiling it again.

    In a process of its own, because KFP's components are made for one image when imported.

    Args:
        path: The file.
        pipeline: What is in it.
    """
    what = f"pipeline {path}"
    if path == shipped_file():
        return ok(what, "comes with this version")
    words = compile_words(path, pipeline)
    if words is None:
        return unknown(what, "its train stage is on a machine that this version does not know")
    command = [sys.executable, "-P", "-m", "idxpipe", *words]
    try:
        done = subprocess.run(
            [*command, "--check"],
            check=False,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return unknown(what, f"compiling took more than {TIMEOUT_SECONDS} s")
    if done.returncode == 0:
        return ok(what, "is what this code compiles to")
    line = next((line for line in done.stderr.splitlines() if ": stale: " in line), "")
    if line:
        return fail(what, "stale" + line.partition(": stale")[2], f"idxpipe {shlex.join(words)}")
    reason = done.stderr.strip().splitlines()
    return unknown(what, f"cannot be compiled: {reason[0] if reason else done.returncode}")


def compile_words(path: str, pipeline: Pipeline) -> list[str] | None:
    """Return the command that makes such a file, None if its machine is not known.

    What comes with the package is left as it is: the command makes one in the current folder.
    """
    target = target_of(pipeline)
    if target is None:
        return None
    found = stages(pipeline)
    image = next((stage.image for stage in found if not stage.custom), "")
    output = PIPELINE_FILE if path == shipped_file() else path
    words = ["compile", "--output", output, "--image", image, "--accelerator", target.name]
    words += [f"--train-image={s.image}" for s in found if s.custom and s.image != image]
    register = pipeline.tasks.get("register")
    for name, flag in REGISTER.items() if register else ():
        source = register.parameters.get(name) if register else None
        if isinstance(source, Constant) and source.value:
            words += [flag, str(source.value)]
    return words


def target_of(pipeline: Pipeline) -> Target | None:
    """Return what the pipeline was compiled for, None if it is no known machine."""
    custom = [stage for stage in stages(pipeline) if stage.custom]
    if not custom:
        device = pipeline.parameters.get("accelerator")
        return TARGETS["cpu" if device and device.default == "cpu" else "auto"]
    for target in TARGETS.values():
        if (target.machine_type, target.accelerator_type, target.accelerator_count) == (
            custom[0].machine,
            custom[0].accelerator,
            custom[0].count,
        ):
            return target
    return None
