"""Start-up time is a feature: what is not needed is not loaded."""

import graphlib
import subprocess
import sys

import pytest

from idxpipe.pipeline.cli.commands import COMMANDS

HEAVY = {
    "tensorflow",
    "keras",
    "apache_beam",
    "kfp",
    "google.cloud.storage",
    "google.auth",
    "fsspec",
    "PIL",
}


def loaded_by(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return set(done.stdout.splitlines()[-1].split())


CORE = """
import importlib, pkgutil, idxpipe.components.core
for module in pkgutil.walk_packages(idxpipe.components.core.__path__, "idxpipe.components.core."):
    importlib.import_module(module.name)
"""
COMMAND = (
    "from idxpipe.pipeline.cli.main import main\ntry:\n    main({!r})\nexcept SystemExit: pass"
)


@pytest.mark.parametrize(
    "code",
    [
        CORE,
        COMMAND.format(["--help"]),
        COMMAND.format(["train", "--help"]),
        COMMAND.format(["validate", "--data", "data/mnist"]),
        COMMAND.format(["runs", "--root", "no-such-folder"]),
        "import idxpipe.pipeline.local.runner, idxpipe.pipeline.rerun",
    ],
    ids=["core", "help", "train --help", "validate", "runs", "runner"],
)
def test_nothing_heavy_is_loaded(code):
    assert not loaded_by(code) & HEAVY


def test_the_stages_are_light_until_they_run():
    stages = ("validate", "convert", "train", "evaluate", "gate", "register", "intake")
    code = "\n".join(
        f"import idxpipe.components.{s}.stage, idxpipe.components.{s}.config" for s in stages
    )
    code += "\nimport idxpipe.components.evaluate.predict, idxpipe.components.fetch.stage"
    assert not loaded_by(code) & HEAVY


def test_help_needs_neither_numpy_nor_what_draws():
    assert not {"numpy", "rich", "jinja2"} & loaded_by(COMMAND.format(["run", "--help"]))


COMMAND_MODULES = {f"idxpipe.pipeline.cli.{entry.module}" for entry in COMMANDS.values()}


@pytest.mark.parametrize("words", [["--help"], ["--version"], []])
def test_what_asks_of_all_commands_loads_none(words):
    loaded = loaded_by(COMMAND.format(words))
    assert not loaded & COMMAND_MODULES
    assert not loaded & {"idxpipe.pipeline.catalogue", "dataclasses", "inspect", "logging"}
    assert len([name for name in loaded if name.startswith("idxpipe")]) < 20


def test_a_command_loads_no_other():
    loaded = loaded_by(COMMAND.format(["params", "seed"]))
    assert loaded & COMMAND_MODULES == {"idxpipe.pipeline.cli.tools.params"}


def test_a_table_in_a_pipe_needs_neither_what_draws_nor_records_of_runs():
    loaded = loaded_by(COMMAND.format(["validate", "--data", "data/mnist"]))
    assert not {"rich.console", "rich.table", "idxpipe.pipeline.state"} & loaded


def test_no_module_imports_itself_by_a_detour():
    grimp = pytest.importorskip("grimp")
    graph = grimp.build_graph("idxpipe", exclude_type_checking_imports=True)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert len(imports) > 200
    # Names the circle, if there is one.
    graphlib.TopologicalSorter(imports).prepare()
