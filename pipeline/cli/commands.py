"""The commands by group: what each is called, which module does it, and what it does.

A module is loaded when its command is called: to list them takes none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from idxpipe.pipeline.cli.command import Command


class Entry(NamedTuple):
    """One command.

    Attributes:
        name: What it is called.
        module: Its module, below `idxpipe.pipeline.cli`.
        help: One line that says what it does, without capital and full stop.
    """

    name: str
    module: str
    help: str

    def load(self) -> "Command":
        """Import its module."""
        return cast("Command", import_module(f"{__package__}.{self.module}"))


GROUPS: dict[str, tuple[Entry, ...]] = {
    "the pipeline on this machine": (
        Entry("run", "runs.run", "run the compiled pipeline on this machine, with cache"),
        Entry("resume", "runs.resume", "go on with a run that failed or was stopped"),
        Entry(
            "accept",
            "runs.accept",
            "take a stage's last result although code or versions have changed since",
        ),
        Entry(
            "sweep",
            "runs.sweep",
            "train with every combination of some parameters, and evaluate the best",
        ),
    ),
    "its runs": (
        Entry("runs", "runs.list_runs", "list the runs below a root, the newest first"),
        Entry(
            "show",
            "runs.show",
            "show one run: its stages and why they ran, parameters, artifacts, logs",
        ),
        Entry("open", "runs.open", "open the page of a run in the browser"),
        Entry(
            "diff",
            "runs.diff",
            "show only what differs between two runs, and whether the difference is luck",
        ),
        Entry(
            "report",
            "runs.report",
            "compare runs on one page: what differs, curves, accuracy and whether that is luck",
        ),
        Entry("log", "runs.log", "print what a stage of a run printed"),
        Entry(
            "tensorboard",
            "runs.tensorboard",
            "look at the trainings of runs in TensorBoard, with what differs in their names",
        ),
        Entry(
            "clean",
            "runs.clean",
            "say what old runs and unused artifacts would go, and delete them with --yes",
        ),
        Entry("rm", "runs.rm", "delete runs, with the artifacts that no other run uses"),
        Entry("pin", "runs.pin", "keep a run and all that it uses, whatever is cleaned"),
        Entry("unpin", "runs.unpin", "let a run go again when runs are cleaned"),
    ),
    "single stages": (
        Entry("validate", "stages.validate", "check IDX files and take their fingerprints"),
        Entry("convert", "stages.convert", "convert IDX files to TFRecord shards with Beam"),
        Entry("train", "stages.train", "train a model on a dataset, or go on training it"),
        Entry("evaluate", "stages.evaluate", "evaluate a model on a dataset"),
    ),
    "datasets and models": (
        Entry(
            "fetch",
            "stages.fetch",
            "fetch MNIST, Fashion-MNIST, KMNIST, EMNIST or QMNIST, checked and resumable",
        ),
        Entry(
            "import",
            "stages.import_data",
            "make IDX files from folders of images, NumPy files, CSV files or a zip of these",
        ),
        Entry("records", "stages.records", "check every record of a dataset, show the first"),
        Entry("export", "stages.export", "write a dataset as IDX, NumPy or PNG files again"),
        Entry("predict", "stages.predict", "classify images with a trained model"),
    ),
    "Vertex AI and Kubeflow": (
        Entry("submit", "services.submit", "run the pipeline on Vertex AI or Kubeflow"),
        Entry("status", "services.status", "show the stages of a run on Vertex AI or Kubeflow"),
        Entry("wait", "services.wait", "follow such a run to its end; exit as it did"),
        Entry("cancel", "services.cancel", "cancel such a run"),
        Entry("logs", "services.logs", "say where the logs of such a run are"),
        Entry("list", "services.list_jobs", "list such runs, the newest first"),
        Entry("schedule", "services.schedule", "run the pipeline on Vertex AI again and again"),
    ),
    "tools": (
        Entry("params", "tools.params", "list the pipeline's parameters, or explain some of them"),
        Entry("compile", "tools.compile", "write pipeline.yaml from its definition"),
        Entry("doctor", "tools.doctor", "check all that a run on Vertex AI needs, before it"),
        Entry(
            "plan",
            "tools.plan",
            "estimate what a run on Vertex AI costs, from a dated price table",
        ),
        Entry("image-tag", "tools.image_tag", "print the tag of the container images of this code"),
        Entry(
            "tpu-check",
            "tools.tpu_check",
            "compile a recipe's functions for TPUs, on a machine that has none",
        ),
        Entry(
            "completion",
            "tools.completion",
            "print what bash, zsh or fish needs to complete idxpipe's words",
        ),
    ),
}
COMMANDS = {entry.name: entry for group in GROUPS.values() for entry in group}
# Commands that do something; others only tell.
WORK = {
    entry.name
    for title in ("the pipeline on this machine", "single stages")
    for entry in GROUPS[title]
}
