"""The `{{$...}}` placeholders in a container's command, as KFP's launcher fills them in.

Documented at https://www.kubeflow.org/docs/components/pipelines/user-guides/components/ and in
kfp.dsl.placeholders; the launcher is kubeflow/pipelines, backend/src/v2/component/launcher_v2.go.
"""

import decimal
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from idxpipe.components.core.errors import UsageError

_PLACEHOLDER = re.compile(r"\{\{\$(.*?)\}\}", re.DOTALL)
_ESCAPE = re.compile(r"\.json_escape\[(\d)\]$")
_PATH = re.compile(r"\.?(\w+)|\[(['\"])(.*?)\2\]")
_HTML = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}
_STRUCTS = ('{"Concat": ', '{"IfPresent": ')


def command_line(
    elements: Sequence[str],
    executor_input: Mapping[str, Any],
    names: Mapping[str, str],
    where: str,
    paths: Mapping[str, str] | None = None,
) -> list[str]:
    """Return a command with every placeholder filled in.

    Args:
        elements: The container's command and args.
        executor_input: What `{{$}}` stands for.
        names: Values of the placeholders about the run, such as `pipeline_job_name`.
        where: Task to name in errors.
        paths: Local paths of artifacts by URI, where they are not the same.

    Raises:
        UsageError: If a placeholder is unknown or stands for nothing.
    """
    line: list[str] = []
    for element in elements:
        for part in _structured(element, executor_input):
            filled = substitute(part, executor_input, names=names, where=where, paths=paths)
            line.append(filled)
    return line


def substitute(
    text: str,
    executor_input: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    where: str,
    paths: Mapping[str, str] | None = None,
) -> str:
    """Return `text` with its placeholders filled in, once: values are not searched again.

    Raises:
        UsageError: If a placeholder is unknown or stands for nothing.
    """

    def value(match: re.Match[str]) -> str:
        inner = match[1]
        escapes = 0
        escape = _ESCAPE.search(inner)
        if escape:
            inner, escapes = inner[: escape.start()], int(escape[1])
        try:
            found = _look_up(inner, executor_input, names or {}, paths or {})
        except (KeyError, IndexError, TypeError):
            raise UsageError(
                "placeholder cannot be filled in",
                where=where,
                expected="one of KFP's placeholders, for an input or output of this task",
                found=match[0],
            ) from None
        shown = found if isinstance(found, str) else json.dumps(found) if not inner else _go(found)
        for _ in range(escapes):
            shown = json.dumps(shown)[1:-1]
        return shown

    return _PLACEHOLDER.sub(value, text)


def fill(
    value: Any,
    executor_input: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    where: str,
) -> Any:
    """Return a JSON value with the placeholders in all its texts filled in, as `substitute` does.

    Raises:
        UsageError: If a placeholder is unknown or stands for nothing.
    """
    if isinstance(value, str):
        return substitute(value, executor_input, names=names, where=where)
    if isinstance(value, Mapping):
        return {
            name: fill(entry, executor_input, names=names, where=where)
            for name, entry in value.items()
        }
    if isinstance(value, list):
        return [fill(entry, executor_input, names=names, where=where) for entry in value]
    return value


def _go(value: Any) -> str:
    """Return a value as the launcher prints it, in Go: getPlaceholders of launcher_v2.go.

    Numbers by `strconv.FormatFloat(number, 'f', -1, 64)`, which knows no exponent; lists and
    structs by `json.Marshal`: compact, names in order, and fit for HTML.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return format(decimal.Decimal(repr(value)).normalize(), "f")
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return text.translate(_HTML)


def _look_up(  # noqa: PLR0911
    inner: str,
    executor_input: Mapping[str, Any],
    names: Mapping[str, str],
    paths: Mapping[str, str],
) -> Any:
    if not inner:
        return executor_input
    if inner.removeprefix(".") in names:
        return names[inner.removeprefix(".")]
    path = [match[1] or match[3] for match in _PATH.finditer(inner)]
    match path:
        case ["outputs", "output_file"] | ["outputMetadataUri"]:
            return executor_input["outputs"]["outputFile"]
        case ["inputs", "parameters", name]:
            # An optional input that was not given; the launcher prints null.
            return executor_input["inputs"].get("parameterValues", {}).get(name)
        case ["outputs", "parameters", name, "output_file"]:
            return executor_input["outputs"]["parameters"][name]["outputFile"]
        case ["inputs" | "outputs" as side, "artifacts", name, "uri"]:
            return _artifact(executor_input, side, name)["uri"]
        case ["inputs" | "outputs" as side, "artifacts", name, "path"]:
            uri = _artifact(executor_input, side, name)["uri"]
            return paths.get(uri, uri)
        case ["inputs" | "outputs" as side, "artifacts", name, "metadata"]:
            return _artifact(executor_input, side, name)["metadata"]
        case ["inputs" | "outputs" as side, "artifacts", name, "metadata", key]:
            return _artifact(executor_input, side, name)["metadata"][key]
    raise KeyError(inner)


def _artifact(executor_input: Mapping[str, Any], side: str, name: str) -> Any:
    return executor_input[side]["artifacts"][name]["artifacts"][0]


def _structured(element: str, executor_input: Mapping[str, Any]) -> list[str]:
    """Return what `dsl.ConcatPlaceholder` and `dsl.IfPresentPlaceholder` come to."""
    if not element.startswith(_STRUCTS):
        return [element]
    inputs = executor_input["inputs"]
    present = {*inputs.get("parameterValues", {}), *inputs.get("artifacts", {})}
    return _flatten(json.loads(element), present)


def _flatten(value: Any, present: set[str]) -> list[str]:
    if value is None:
        return []
    if isinstance(value, list):
        return [text for entry in value for text in _flatten(entry, present)]
    if isinstance(value, dict) and "Concat" in value:
        return ["".join(_flatten(value["Concat"], present))]
    if isinstance(value, dict) and "IfPresent" in value:
        branch = value["IfPresent"]
        given = branch["InputName"] in present
        return _flatten(branch.get("Then" if given else "Else"), present)
    return [str(value)]
