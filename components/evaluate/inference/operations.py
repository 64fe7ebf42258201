"""What a SavedModel would do when it is called: only computing, or also files, and code.

A SavedModel is a program (https://github.com/tensorflow/tensorflow/blob/v2.21.0/SECURITY.md): its
graph may read and write any file. What is looked at is what loading and calling
`serving_default` run: the functions of its object graph, and all that they call. The functions
that TensorFlow itself would save and restore with are not among them.
"""

import os
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow.core.framework.types_pb2 import DT_STRING, DT_VARIANT
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.framework import op_def_registry

from idxpipe.components.core.errors import DataError

# Operations with a state that stay in this process and in the model's own variables, and those
# that call the model's own functions, each of which is looked at.
_KNOWN = frozenset(
    {
        "Assert",
        "AssignAddVariableOp",
        "AssignSubVariableOp",
        "AssignVariableOp",
        "Case",
        "If",
        "PartitionedCall",
        "Placeholder",
        "PlaceholderWithDefault",
        "ReadVariableOp",
        "ResourceGather",
        "ResourceGatherNd",
        "StatefulPartitionedCall",
        "StatelessCase",
        "StatelessIf",
        "StatelessWhile",
        "VarHandleOp",
        "VarIsInitializedOp",
        "While",
    }
)
# Text is the name of a file, an address or a message: nothing else may take it, or give it.
_TEXT = frozenset({"Assert", "Const", "Identity", "IdentityN"})
# Attributes of text that choose how numbers are computed. By others, operations that are declared
# to have no state read a file (ImmutableConst), end the process (Abort) or run Python
# (PyFuncStateless).
_CHOICES = frozenset(
    {
        "Targmax",
        "align",
        "bad_indices_policy",
        "data_format",
        "direction",
        "dst_format",
        "equation",
        "fill_mode",
        "interpolation",
        "kernel_type",
        "message",
        "method",
        "mode",
        "padding",
        "round_mode",
        "rounding_mode",
        "src_format",
    }
)
_SPEAKING = frozenset({"string", "list(string)", "func", "list(func)"})
# What loading gives a function of its own that makes it, or opens a file.
_ACTIVE = frozenset({"asset", "resource"})


def check_operations(path: str, uri: str) -> None:
    """Refuse a model that does more than compute.

    Args:
        path: Local folder of the SavedModel.
        uri: Where it came from, for the error.

    Raises:
        DataError: If it has an operation that touches files, runs code or is unknown, or is of
            TensorFlow 1.
    """
    model = SavedModel()
    try:
        with open(os.path.join(path, "saved_model.pb"), "rb") as stream:
            model.ParseFromString(stream.read())
    except (OSError, DecodeError) as error:
        raise DataError(
            "model cannot be loaded",
            where=uri,
            expected="a SavedModel",
            found=type(error).__name__,
            remedy="train again",
        ) from None
    found = sorted({name for graph in model.meta_graphs for name in _refused(graph)})
    # TensorFlow's own condition, in saved_model/load.py, for a model that is made of functions. It
    # loads any other as TensorFlow 1 did, and runs nodes of the graph itself.
    if len(model.meta_graphs) != 1 or not model.meta_graphs[0].HasField("object_graph_def"):
        found = ["a model of TensorFlow 1"]
    if found:
        raise DataError(
            "model does more than compute",
            where=uri,
            expected="operations on numbers and on its own variables",
            found=", ".join(found[:5]),
            remedy="if you know where it comes from: --trust-model true, in a pipeline "
            "trust_model=true",
        )


def _refused(graph: Any) -> Iterator[str]:
    """Yield what a graph must not have."""
    for node in graph.object_graph_def.nodes:
        kind = node.WhichOneof("kind")
        if kind in _ACTIVE:
            yield f"an object of kind {kind}"
    functions = {f.signature.name: f for f in graph.graph_def.library.function}
    waiting = list(graph.object_graph_def.concrete_functions)
    seen = set(waiting)
    while waiting:
        function = functions.get(waiting.pop())
        for node in function.node_def if function else ():
            called = {node.op, *_functions(node)} & functions.keys()
            waiting += called - seen
            seen |= called
            if node.op not in functions and not _computes(node):
                yield node.op


def _functions(node: Any) -> Iterator[str]:
    for value in node.attr.values():
        yield value.func.name
        yield from (one.name for one in value.list.func)


def _computes(node: Any) -> bool:
    """Tell whether a node's operation is one on numbers alone."""
    declared = op_def_registry.get(node.op)
    if declared is None:
        return False
    if node.op not in _KNOWN:
        named = {a.name for a in declared.attr if a.type in _SPEAKING}
        if declared.is_stateful or named - _CHOICES:
            return False
    arguments = [*declared.input_arg, *declared.output_arg]
    types = {argument.type for argument in arguments}
    for argument in arguments:
        types |= {node.attr[argument.type_attr].type} if argument.type_attr else set()
        listed = node.attr[argument.type_list_attr].list.type if argument.type_list_attr else ()
        types |= set(listed)
    # A placeholder is filled in by whoever calls the function.
    if any(value.placeholder for value in node.attr.values()):
        return False
    return not types & {DT_STRING, DT_VARIANT} or node.op in _TEXT
