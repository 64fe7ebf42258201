"""The same SavedModel as the same bytes, whatever the process traced before it wrote it.

TensorFlow ends the name of each function with a number from a counter of the process, and calls
what a function captures by such a number, so a training that was resumed, and traced less, would
write other bytes for the same model. Source:
https://github.com/tensorflow/tensorflow/blob/v2.21.0/tensorflow/core/protobuf/saved_model.proto
"""

import copy
import os
import re
from collections.abc import Mapping
from typing import Any

from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

_COUNTED = re.compile(r"(.*_)(\d+)")


def renumber_functions(folder: str) -> None:
    """Rewrite the SavedModel in a local folder with functions numbered from 0, in their order."""
    path = os.path.join(folder, "saved_model.pb")
    model = SavedModel()
    with open(path, "rb") as stream:
        model.ParseFromString(stream.read())
    for graph in model.meta_graphs:
        library = graph.graph_def.library
        _rename(graph, _new_names([function.signature.name for function in library.function]))
        for function in library.function:
            _number_captures(function)
        library.function.sort(key=lambda function: function.signature.name)
    with open(path, "wb") as stream:
        stream.write(model.SerializeToString(deterministic=True))


def _new_names(names: list[str]) -> dict[str, str]:
    counted = {name: found for name in names if (found := _COUNTED.fullmatch(name))}
    # By the counter: it tells the order in which the functions were made.
    ordered = sorted(counted, key=lambda name: int(counted[name][2]))
    return {name: f"{counted[name][1]}{number}" for number, name in enumerate(ordered)}


def _number_captures(function: Any) -> None:
    """Name what a function captured by its place among the arguments, not by a counter."""
    for number, argument in sorted(function.arg_attr.items()):
        given = argument.attr.get("_user_specified_name")
        if given and given.s.isdigit():
            argument.attr["_user_specified_name"].s = str(number).encode()


def _rename(message: Any, names: Mapping[str, str]) -> None:
    """Replace every string of a message, however deep, that is one of `names`, in place."""
    for field, value in message.ListFields():
        of_map = field.message_type and field.message_type.GetOptions().map_entry
        if of_map:
            _rename_map(value, field.message_type, names)
        elif field.cpp_type == field.CPPTYPE_MESSAGE:
            for part in value if field.is_repeated else [value]:
                _rename(part, names)
        elif field.type == field.TYPE_STRING and field.is_repeated:
            value[:] = [names.get(text, text) for text in value]
        elif field.type == field.TYPE_STRING:
            setattr(message, field.name, names.get(value, value))


def _rename_map(entries: Any, entry: Any, names: Mapping[str, str]) -> None:
    of_messages = bool(entry.fields_by_name["value"].message_type)
    if of_messages:
        for value in entries.values():
            _rename(value, names)
    if not any(key in names for key in entries):
        return
    # All at once: a new name may be another one's old name.
    before = {key: copy.deepcopy(value) for key, value in entries.items()}
    entries.clear()
    for key, value in before.items():
        if of_messages:
            entries[names.get(key, key)].CopyFrom(value)
        else:
            entries[names.get(key, key)] = value
