"""A user's own network: MODULE:FUNCTION, found and checked before anything is trained."""

import importlib
import traceback
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from idxpipe.components.core.errors import UsageError
from idxpipe.components.train.network.own_source import search_here


def build_own_model(
    name: str, image_shape: tuple[int, ...], num_classes: int, dropout: float, seed: int
) -> keras.Model:
    """Call the user's function and check what it returns.

    It is called as ``function(image_shape=(28, 28), num_classes=10, dropout=0.4, seed=0)``, with
    the random numbers of Python, NumPy and Keras seeded, and returns a Keras model from float32
    [N, *image_shape] in [0, 1] to logits [N, num_classes].

    Args:
        name: MODULE:FUNCTION; the module is in the current folder, installed, or on PYTHONPATH.
        image_shape: Shape of one image.
        num_classes: Number of logits.
        dropout: Value of the parameter of that name, to use or to ignore.
        seed: Likewise.

    Raises:
        UsageError: If there is no such function, it fails, or gives no such model.
    """
    function = _find(name)
    keras.utils.set_random_seed(seed)
    try:
        model = function(
            image_shape=image_shape, num_classes=num_classes, dropout=dropout, seed=seed
        )
    except Exception as error:
        raise _failed("the model's function failed", name, error) from None
    if not isinstance(model, keras.Model):
        raise UsageError(
            "the model's function gives no Keras model",
            where=name,
            expected="a keras.Model",
            found=f"{type(model).__module__}.{type(model).__qualname__}",
        )
    try:
        # A model that is not built yet makes its weights here.
        logits = model(np.zeros((2, *image_shape), np.float32))
    except Exception as error:
        raise _failed("the model does not take the images", name, error) from None
    _check_logits(name, logits, num_classes)
    return model


def _find(name: str) -> Callable[..., Any]:
    module_name, _, function_name = name.partition(":")
    search_here()
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise _failed("the model's module cannot be imported", name, error) from None
    function = getattr(module, function_name, None)
    if not callable(function):
        raise UsageError(
            "the model's module has no such function",
            where=f"{name}, in {getattr(module, '__file__', module_name)}",
            expected=f"a function {function_name!r}",
            found=", ".join(n for n in vars(module) if not n.startswith("_")) or "nothing",
        )
    return function  # type: ignore[no-any-return]


def _check_logits(name: str, logits: Any, num_classes: int) -> None:
    shape = tuple(getattr(logits, "shape", ()))
    floating = "float" in str(getattr(logits, "dtype", ""))
    if shape != (2, num_classes) or not floating:
        found = f"{getattr(logits, 'dtype', type(logits).__name__)} {list(shape)}"
        raise UsageError(
            "the model gives something else than logits",
            where=name,
            expected=f"floating-point numbers of shape [2, {num_classes}] for two images",
            found=found,
            remedy=f"end it with keras.layers.Dense({num_classes})",
        )


def _failed(what: str, name: str, error: Exception) -> UsageError:
    last = traceback.extract_tb(error.__traceback__)[-1]
    message = str(error).strip().splitlines() or [""]
    return UsageError(
        what,
        where=name,
        found=f"{type(error).__name__}: {message[0]} ({last.filename}:{last.lineno})",
        remedy="it is called as function(image_shape=, num_classes=, dropout=, seed=); its module "
        "is looked for in the current folder, on PYTHONPATH and among what is installed",
    )
