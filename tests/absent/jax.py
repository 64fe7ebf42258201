"""Stands in the way of JAX, which only tpu-check needs, and TensorFlow loads where it is found."""

raise ModuleNotFoundError("not installed where idxpipe is used", name=__name__)
