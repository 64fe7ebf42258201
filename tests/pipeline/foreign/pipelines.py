"""Pipelines as other authors write them, each for one construct of KFP's DSL.

A program: `python pipelines.py FOLDER` compiles all of them into FOLDER.
"""

# ruff: noqa: B006, UP006, UP035, UP045, SIM115
import sys
from typing import Dict, List, NamedTuple, Optional

from kfp import compiler, dsl
from kfp.dsl import (
    HTML,
    Artifact,
    ClassificationMetrics,
    Dataset,
    Input,
    InputPath,
    Markdown,
    Metrics,
    Model,
    Output,
    OutputPath,
)

light = dsl.component(base_image="python:3.11", install_kfp_package=False)
PIPELINES = {}


def named(function):
    """Make a pipeline of a function, under its name."""
    name = function.__name__.replace("_", "-")
    PIPELINES[name] = dsl.pipeline(name=name)(function)
    return function


@light
def echo(text: str) -> str:
    return text


@light
def square(number: int) -> int:
    return number * number


@light
def every_type(
    whole: int, real: float, text: str, flag: bool, items: list, table: dict, more: List[float]
) -> NamedTuple(
    "Out",
    [
        ("whole", int),
        ("real", float),
        ("text", str),
        ("flag", bool),
        ("items", list),
        ("table", dict),
    ],
):
    return (whole + 1, real / 2, text + "!", not flag, items + more, {**table, "seen": True})


@light
def describe(whole: int, real: float, text: str, flag: bool, items: list, table: dict) -> str:
    return repr((whole, real, text, flag, items, sorted(table)))


@named
def types(
    whole: int = 3,
    real: float = 2,
    text: str = "a 'b' \"c\" $d",
    flag: bool = True,
    items: list = [1, 2.5, {"a": True}],
    table: Dict[str, int] = {"x": 1},
):
    made = every_type(
        whole=whole, real=real, text=text, flag=flag, items=items, table=table, more=[0.5]
    )
    describe(
        **{name: made.outputs[name] for name in ("whole", "real", "text", "flag")},
        items=made.outputs["items"],
        table=made.outputs["table"],
    )


@light
def defaults(a: int = 4, b: str = "b", c: Optional[str] = None, d: float = 1.0) -> str:
    return f"{a} {b} {c} {d}"


@named
def default_values():
    defaults()
    defaults(a=5, c="given")


@light
def write_all(
    rows: int,
    data: Output[Dataset],
    model: Output[Model],
    page: Output[HTML],
    note: Output[Markdown],
    metrics: Output[Metrics],
    matrix: Output[ClassificationMetrics],
    empty: Output[Artifact],
):
    import os

    with open(data.path, "w") as stream:
        stream.write("\n".join(map(str, range(rows))))
    data.metadata["rows"] = rows
    os.makedirs(os.path.join(model.path, "weights"))
    with open(os.path.join(model.path, "weights", "w.bin"), "wb") as stream:
        stream.write(b"\x00\x01")
    model.framework = "none"
    with open(page.path, "w") as stream:
        stream.write("<p>page")
    with open(note.path, "w") as stream:
        stream.write("# note")
    metrics.log_metric("accuracy", 0.5)
    matrix.log_confusion_matrix(["a", "b"], [[1, 2], [3, 4]])


@light
def read_all(data: Input[Dataset], model: Input[Model]) -> str:
    import os

    with open(data.path) as stream:
        rows = len(stream.read().split())
    files = sorted(name for _, _, names in os.walk(model.path) for name in names)
    return f"{rows} {data.metadata['rows']} {files} {model.metadata['framework']}"


@named
def artifacts_by_path(rows: int = 5):
    made = write_all(rows=rows)
    read_all(data=made.outputs["data"], model=made.outputs["model"])


@light
def renamed(data: Output[Dataset]):
    data.path = data.path + ".csv"
    with open(data.path, "w") as stream:
        stream.write("a,b")


@light
def cat(data: Input[Dataset]) -> str:
    with open(data.path) as stream:
        return stream.read()


@named
def another_path():
    cat(data=renamed().outputs["data"])


@light
def to_paths(data: OutputPath("Dataset"), text: OutputPath(str), number: OutputPath(int)):
    for path, content in ((data, "abc"), (text, "text"), (number, "7")):
        with open(path, "w") as stream:
            stream.write(content)


@light
def from_path(data: InputPath("Dataset"), text: str, number: int) -> str:
    with open(data) as stream:
        return f"{stream.read()} {text} {number}"


@named
def input_and_output_paths():
    made = to_paths()
    from_path(**{name: made.outputs[name] for name in ("data", "text", "number")})


@light
def pythonic(size: int) -> Dataset:
    from kfp import dsl

    data = dsl.Dataset(uri=dsl.get_uri(), metadata={"size": size})
    with open(data.path, "w") as stream:
        stream.write("x" * size)
    return data


@light
def length(data: Dataset) -> int:
    with open(data.path) as stream:
        return len(stream.read())


@named
def pythonic_artifacts(size: int = 6):
    length(data=pythonic(size=size).output)


@light
def two_pythonic(size: int) -> NamedTuple("Out", [("left", Dataset), ("right", Dataset)]):
    import os

    from kfp import dsl

    left = dsl.Dataset(uri=dsl.get_uri("left"))
    right = dsl.Dataset(uri=dsl.get_uri(suffix="right"))
    with open(left.path, "w") as stream:
        stream.write("l" * size)
    os.makedirs(right.path)
    with open(os.path.join(right.path, "part"), "w") as stream:
        stream.write("r")
    return (left, right)


@named
def several_uris():
    length(data=two_pythonic(size=3).outputs["left"])


@dsl.container_component
def shell(
    text: str,
    extra: Optional[str] = None,
    out: dsl.OutputPath(str) = None,
    count: dsl.OutputPath(int) = None,
    data: Output[Dataset] = None,
):
    script = """
    for file in "$2" "$3" "$4"; do mkdir -p "$(dirname "$file")"; done
    printf %s "$1" > "$2"; echo 7 > "$3"; shift 3; file="$1"; shift; printf '%s|' "$@" > "$file"
    """
    return dsl.ContainerSpec(
        image="alpine",
        command=["sh", "-ec", script, "sh"],
        args=[
            dsl.ConcatPlaceholder(["<", text, ">"]),
            out,
            count,
            data.path,
            dsl.IfPresentPlaceholder(input_name="extra", then=["--extra", extra], else_=["--none"]),
        ],
    )


@named
def containers(text: str = "hello"):
    first = shell(text=text, extra="more").set_env_variable("UNUSED", "1")
    shell(text=first.outputs["out"])
    square(number=first.outputs["count"])


@dsl.container_component
def own_files(tmp: dsl.OutputPath(str), log: dsl.OutputPath(str), site: dsl.OutputPath(str)):
    script = 'for f in "$@"; do mkdir -p "$(dirname "$f")"; printf hi > "$f"; done'
    return dsl.ContainerSpec(
        image="alpine", command=["sh", "-ec", script, "sh"], args=[tmp, log, site]
    )


@named
def outputs_of_any_name():
    own_files()


@dsl.container_component
def a_bool(one: dsl.OutputPath(bool), letter: dsl.OutputPath(bool), word: dsl.OutputPath(bool)):
    script = 'for f in "$@"; do mkdir -p "$(dirname "$f")"; done; printf 1 > "$1"; '
    script += 'printf f > "$2"; printf True > "$3"'
    return dsl.ContainerSpec(
        image="alpine", command=["sh", "-ec", script, "sh"], args=[one, letter, word]
    )


@light
def negate(flag: bool) -> bool:
    return not flag


@named
def booleans():
    negate(flag=a_bool().outputs["one"])


@light
def settings(table: dict, items: list) -> str:
    return f"{sorted(table.items())} {items}"


@named
def values_inside_structs(rate: float = 0.5, name: str = "n", count: int = 3):
    made = echo(text=name)
    settings(table={"rate": rate, "name": f"run-{name}", "up": made.output}, items=[count, name])


@named
def numbers_in_texts(whole: int = 3, real: float = 2.0, small: float = 1e-7, big: float = 1e21):
    echo(text=f"{whole}|{real}|{small}|{big}")


@named
def texts_with_outputs(who: str = "me"):
    made = square(number=3)
    echo(text=f"{who} has {made.output}")


@named
def a_parameter_called_data(data: str = "not/a/file", batch_size: int = -1, model: str = "x"):
    echo(text=f"{data} {batch_size} {model}")


@named
def optional_parameter(must: str = "m", may: Optional[str] = None):
    defaults(b=must, c=may)


@light
def optional_artifact(data: Optional[Input[Dataset]] = None) -> str:
    return "none" if data is None else data.uri


@named
def no_artifact():
    optional_artifact()


@light
def variable() -> str:
    import os

    return os.environ.get("GREETING", "none")


@named
def environment():
    variable().set_env_variable("GREETING", "hello $HOME")
    variable()


@light
def nothing():
    pass


@named
def in_order():
    first = nothing()
    second = echo(text="second")
    second.after(first)
    square(number=2).after(second).set_caching_options(False).set_display_name("A square")


@named
def limits_are_for_clusters():
    task = square(number=4)
    task.set_memory_limit("1G").set_cpu_limit("1").set_accelerator_type("T4").set_accelerator_limit(
        1
    )


@light
def flaky(flag: str) -> str:
    import os
    import sys

    tries = int(open(flag).read()) if os.path.exists(flag) else 0
    with open(flag, "w") as stream:
        stream.write(str(tries + 1))
    if tries < 2:
        sys.exit(9)
    return f"after {tries}"


@named
def retries(flag: str):
    flaky(flag=flag).set_retry(num_retries=3, backoff_duration="0s").set_caching_options(False)


@light
def reads(data: Input[Dataset]) -> str:
    with open(data.path) as stream:
        return f"{stream.read()} {data.metadata['rows']}"


@named
def imported(uri: str):
    found = dsl.importer(
        artifact_uri=uri, artifact_class=Dataset, reimport=False, metadata={"rows": 3}
    )
    reads(data=found.output)


@light
def placed(job: str, task: str) -> str:
    assert job and task and "{{" not in job + task
    return task.rpartition("-")[0]


@named
def names_of_the_run():
    placed(job=dsl.PIPELINE_JOB_NAME_PLACEHOLDER, task=f"task-{dsl.PIPELINE_TASK_NAME_PLACEHOLDER}")


@dsl.component(base_image="python:3.11", packages_to_install=["six==1.17.0"])
def with_packages(text: str) -> str:
    import kfp
    import six

    return f"{text} {six.__version__} {kfp.__version__}"


@named
def packages(text: str = "six"):
    with_packages(text=text)
    with_packages(text=f"{text} again")


# What only a cluster runs.


@named
def condition(number: int = 3):
    with dsl.If(square(number=number).output > 4):
        echo(text="many")


@named
def loop():
    with dsl.ParallelFor([1, 2]) as number:
        square(number=number)


@light
def last(status: dsl.PipelineTaskFinalStatus):
    pass


@named
def exit_handler():
    with dsl.ExitHandler(last()):
        echo(text="inside")


@dsl.pipeline(name="inner")
def inner(number: int) -> int:
    return square(number=number).output


@named
def nested(number: int = 2):
    inner(number=number)


@named
def ignored_failure():
    echo(text="after").after(nothing()).ignore_upstream_failure()


@dsl.container_component
def entry_point(text: str):
    return dsl.ContainerSpec(image="registry.example.com/tool", args=["--text", text])


@named
def no_command():
    entry_point(text="x")


if __name__ == "__main__":
    for name, pipeline in PIPELINES.items():
        compiler.Compiler().compile(pipeline, f"{sys.argv[1]}/{name}.yaml")
