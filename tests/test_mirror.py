"""The test of core/idx/rows.py is tests/core/idx/test_rows.py, and so for every module; and no
folder is a corridor, no function a page.
"""

import ast
from collections import Counter
from pathlib import Path

# What is shorter is wiring, and tested by what it wires.
TINY_LINES = 50
NOT_MODULES = {"__init__.py", "__main__.py", "component.py"}
MOST_FILES = 18
MOST_LINES = 45
SOURCES = sorted(path for name in ("components", "pipeline") for path in Path(name).rglob("*.*"))
# Modules whose promises are those of a whole: the test that provokes them.
COVERED_BY = {
    "convert/beam/pipeline.py": "convert/beam/test_runners.py",
    "convert/beam/worker_package.py": "convert/beam/test_runners_dataflow.py",
    "core/idx/folders.py": "core/idx/test_files.py",
    "core/leases/gcs.py": "core/leases/test_conditional.py",
    "core/stores/ranged_stream.py": "core/stores/test_gcs.py",
    "evaluate/config.py": "evaluate/test_component.py",
    "evaluate/metrics/figures.py": "evaluate/test_stage.py",
    "evaluate/mistakes.py": "evaluate/test_report.py",
    "fetch/catalogue.py": "fetch/test_stage.py",
    "intake/config.py": "intake/test_stage.py",
    "intake/found.py": "intake/test_tree.py",
    "intake/pool.py": "intake/test_interrupted.py",
    "intake/shapes.py": "intake/test_pictures.py",
    "intake/write.py": "intake/test_stage.py",
    "train/preemption.py": "train/test_run.py",
    "train/lowering/tracing_strategy.py": "train/lowering/test_programs.py",
    "validate/comparison.py": "validate/test_stage.py",
    "validate/meaning.py": "validate/test_stage.py",
    "validate/file_check.py": "validate/test_stage.py",
    "validate/label_statistics.py": "validate/test_stage.py",
    "validate/split.py": "validate/test_stage.py",
    "validate/validation.py": "validate/test_stage.py",
    "train/export/model_folder.py": "train/test_stage.py",
    "pipeline/cli/runs/clean.py": "pipeline/runs/test_clean.py",
    "pipeline/cli/runs/sweep.py": "pipeline/runs/test_sweep.py",
    "pipeline/cli/runs/tensorboard.py": "pipeline/runs/test_trainings.py",
    "pipeline/cli/services/flags.py": "pipeline/cli/services/test_submit_vertex.py",
    "pipeline/cli/services/on_kubeflow.py": "pipeline/kubeflow/test_record.py",
    "pipeline/cli/services/options.py": "pipeline/cli/services/test_submit_vertex.py",
    "pipeline/cli/services/submit_kubeflow.py": "pipeline/kubeflow/test_client.py",
    "pipeline/cli/stages/predict.py": "evaluate/test_predict.py",
    "pipeline/cli/tools/tpu_check.py": "pipeline/tpu/test_check.py",
    "pipeline/local/reasons.py": "pipeline/runs/test_plan.py",
    "pipeline/runs/evaluation.py": "pipeline/runs/test_page.py",
    "pipeline/preflight/check.py": "pipeline/preflight/test_doctor.py",
    "pipeline/preflight/image_tag.py": "test_images.py",
    "pipeline/spec/artifact.py": "pipeline/local/test_executor_output.py",
    "pipeline/spec/machines.py": "pipeline/preflight/test_prices.py",
    "pipeline/tpu/table.py": "pipeline/tpu/test_check.py",
    "pipeline/tpu/worker.py": "pipeline/tpu/test_compiler.py",
}


def test_each_module_has_its_test():
    missing = []
    for package in (Path("components"), Path("pipeline")):
        for path in sorted(package.rglob("*.py")):
            module = str(path.relative_to("components") if package.name == "components" else path)
            test = Path("tests", module).with_name(f"test_{path.name}")
            lines = len(path.read_text().splitlines())
            if path.name in NOT_MODULES or lines < TINY_LINES or test.exists():
                assert module not in COVERED_BY, f"{module} needs no entry"
            elif not Path("tests", COVERED_BY.get(module, "nowhere")).exists():
                missing.append(f"{module}: {test}")
    assert missing == []


def test_no_folder_has_more_than_18_files():
    counts = Counter(path.parent for path in SOURCES if path.suffix != ".pyc")
    assert {str(folder): n for folder, n in counts.items() if n > MOST_FILES} == {}


def test_no_body_of_a_function_has_more_than_45_lines():
    long = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())) if path.suffix == ".py" else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                long += [f"{path}: {node.name}: {lines}"] if lines > MOST_LINES else []
    assert long == []
