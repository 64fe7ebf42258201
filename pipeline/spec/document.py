"""YAML and JSON documents that others wrote: loaded safely, read with the place in every error."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from idxpipe.components.core.errors import DataError

MAX_BYTES = 16 << 20
MAX_NODES = 1_000_000
MAX_DEPTH = 100
MAX_DIGITS = 400
_NUMBER = re.compile(r"[-+]?[0-9][0-9_:.]*")
_REMEDY = "compile the pipeline again: idxpipe compile"
_KINDS: dict[type, str] = {dict: "a mapping", list: "a list", str: "text", bool: "true or false"}


def load_documents(data: bytes, where: str) -> list[Any]:
    """Return the documents of a YAML stream.

    Args:
        data: The stream, in UTF-8.
        where: What to call it in errors.

    Raises:
        DataError: If it is no YAML, or too large to be a pipeline.
    """
    import yaml

    if len(data) > MAX_BYTES:
        raise DataError(
            "file is too large for a pipeline",
            where=where,
            expected=f"at most {MAX_BYTES} bytes",
            found=f"{len(data)} bytes",
        )
    # The C parser reads a compiled pipeline about ten times faster.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = data.decode()
        _look_through(yaml.parse(text, Loader=loader), where)
        documents = list(yaml.load_all(text, Loader=loader))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise DataError(
            "file is not YAML",
            where=where,
            found=" ".join(str(error).split()) or type(error).__name__,
            remedy=_REMEDY,
        ) from None
    _bound(documents, where)
    return documents


def _look_through(events: Iterable[Any], where: str) -> None:
    """Refuse what costs much more than its length, before anything is made of it.

    The C parser ends the process on deep nesting; merge keys multiply their mappings; and a number
    of many digits takes the square of their count.
    """
    from yaml import events as kinds

    depth = 0
    for event in events:
        found = ""
        if isinstance(event, kinds.CollectionStartEvent):
            depth += 1
            found = "deeper nesting" if depth > MAX_DEPTH else ""
        elif isinstance(event, kinds.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, kinds.ScalarEvent) and event.implicit[0]:
            if event.value == "<<":
                found = "a merge key, `<<`"
            elif len(event.value) > MAX_DIGITS and _NUMBER.fullmatch(event.value):
                found = f"a number of {len(event.value)} digits"
        if found:
            raise DataError(
                "file holds what no compiled pipeline does",
                where=f"{where}: line {event.start_mark.line + 1}",
                expected=f"at most {MAX_DEPTH} levels, no merge keys, and numbers of at most "
                f"{MAX_DIGITS} digits",
                found=found,
                remedy=_REMEDY,
            )


def _bound(documents: list[Any], where: str) -> None:
    """Refuse what aliases blow up: a few hundred bytes of them expand to gigabytes."""
    stack: list[Any] = list(documents)
    seen = 0
    while stack:
        node = stack.pop()
        seen += 1
        if seen > MAX_NODES:
            raise DataError(
                "file expands to too many values",
                where=where,
                expected=f"at most {MAX_NODES}",
                remedy=_REMEDY,
            )
        if isinstance(node, dict):
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


class Node:
    """A value in a document, which knows its own path."""

    def __init__(self, value: Any, where: str, path: str = "") -> None:
        self.value = value
        self.where = where
        self.path = path

    def _as(self, kind: type) -> Any:
        if not isinstance(self.value, kind):
            raise self.error(expected=_KINDS[kind], found=_describe(self.value))
        return self.value

    def error(self, *, expected: str, found: str) -> DataError:
        """Return the error that this value is not what a pipeline has in its place."""
        place = f"{self.where}: {self.path}" if self.path else self.where
        return DataError(
            "not a compiled pipeline", where=place, expected=expected, found=found, remedy=_REMEDY
        )

    def __contains__(self, key: str) -> bool:
        return key in self._as(dict)

    def __getitem__(self, key: str) -> "Node":
        """Return the value under `key`.

        Raises:
            DataError: If there is none.
        """
        entries = self._as(dict)
        if key not in entries:
            raise self.error(expected=f"an entry {key!r}", found="none")
        return self._child(key)

    def get(self, key: str, default: Any = None) -> "Node":
        """Return the value under `key`, or a node that holds `default`."""
        return self._child(key) if key in self else Node(default, self.where, self._path(key))

    def items(self) -> Iterator[tuple[str, "Node"]]:
        """Yield the entries of a mapping."""
        for key in self.mapping():
            yield key, self._child(key)

    def mapping(self) -> Mapping[str, Any]:
        """Return the value, which must be a mapping of names to values."""
        entries: Mapping[str, Any] = self._as(dict)
        for key in entries:
            if not isinstance(key, str):
                raise self.error(expected="names as keys", found=repr(key))
        return entries

    def text(self) -> str:
        """Return the value, which must be text."""
        return str(self._as(str))

    def texts(self) -> tuple[str, ...]:
        """Return the value, which must be a list of text."""
        entries = self._as(list)
        return tuple(
            Node(entry, self.where, f"{self.path}[{index}]").text()
            for index, entry in enumerate(entries)
        )

    def nodes(self) -> "list[Node]":
        """Return the entries of a list."""
        entries = self._as(list)
        return [Node(e, self.where, f"{self.path}[{i}]") for i, e in enumerate(entries)]

    def flag(self) -> bool:
        """Return the value, which must be true or false."""
        return bool(self._as(bool))

    def number(self) -> float:
        """Return the value, which must be a number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.error(expected="a number", found=_describe(self.value))
        return float(self.value)

    def _path(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def _child(self, key: str) -> "Node":
        return Node(self.value[key], self.where, self._path(key))


def _describe(value: Any) -> str:
    if value is None:
        return "nothing"
    return _KINDS.get(type(value), f"{type(value).__name__} {value!r}")
