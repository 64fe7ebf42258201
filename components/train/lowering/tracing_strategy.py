"""A strategy under which one replica's program can be traced where the other replicas are not.

TPUStrategy needs the TPU. This one needs nothing: it runs the same step in a replica context of as
many replicas, and its all-reduce is TensorFlow's own collective op, which XLA lowers to the
all-reduce instruction. The program can be compiled for the TPU; it cannot run here.

The base classes are private to TensorFlow, there is no public way to write a strategy; TensorFlow's
version is pinned in setup.py.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops
from tensorflow.python.distribute import distribute_lib, one_device_strategy

# All replicas are in one group, and each reduction of a program is a collective of its own.
_GROUP = 1
_FIRST_INSTANCE = 1


class OneOfMany(tf.distribute.Strategy):  # type: ignore[misc]
    """One replica of `replicas`, for tracing only.

    Args:
        replicas: How many run the program together.
    """

    def __init__(self, replicas: int) -> None:
        super().__init__(_Extended(self, replicas))


class _Extended(one_device_strategy.OneDeviceExtended):  # type: ignore[misc]
    def __init__(self, strategy: OneOfMany, replicas: int) -> None:
        super().__init__(strategy, "CPU:0")
        self._replicas = replicas
        self._instance = _FIRST_INSTANCE

    @property
    def _num_replicas_in_sync(self) -> int:
        return self._replicas

    def _call_for_each_replica(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        # Which replica it is, the device knows when it runs.
        replica = gen_xla_ops.xla_replica_id()
        with (
            tf.device(self._device),
            distribute_lib.ReplicaContext(self._container_strategy(), replica),
        ):
            return fn(*args, **kwargs)

    def _reduce_to(self, reduce_op: Any, value: Any, destinations: Any, options: Any) -> Any:
        self._instance += 1
        total = tf.raw_ops.CollectiveReduceV2(
            input=value,
            group_size=self._replicas,
            group_key=_GROUP,
            instance_key=self._instance,
            ordering_token=[],
            merge_op="Add",
            final_op="Id",
        )
        if reduce_op == tf.distribute.ReduceOp.MEAN:
            return total / tf.cast(self._replicas, total.dtype)
        return total
