"""The network of 2018 in JAX, jitted: jax_cnn.py BATCH_SIZE float32."""

import sys
import time

import jax
import jax.numpy as jnp

SHAPES = {
    "conv1": (5, 5, 1, 32),
    "conv2": (5, 5, 32, 64),
    "dense": (7 * 7 * 64, 1024),
    "logits": (1024, 10),
}


def main(batch_size: int) -> None:
    """Answer lines with a number of steps with the seconds they took."""
    keys = jax.random.split(jax.random.key(0), len(SHAPES) + 2)
    glorot = jax.nn.initializers.glorot_uniform()
    state = {
        name: (glorot(key, shape), jnp.zeros(shape[-1]))
        for (name, shape), key in zip(SHAPES.items(), keys, strict=False)
    }
    images = jax.random.uniform(keys[-1], (batch_size, 28, 28, 1))
    labels = jax.random.randint(keys[-2], (batch_size,), 0, 10)

    def conv(x, weights):
        kernel, bias = weights
        x = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = jax.nn.relu(x + bias)
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def loss(state, key):
        x = conv(conv(images, state["conv1"]), state["conv2"]).reshape(batch_size, -1)
        x = jax.nn.relu(x @ state["dense"][0] + state["dense"][1])
        x = jnp.where(jax.random.bernoulli(key, 0.6, x.shape), x / 0.6, 0)
        chosen = jax.nn.log_softmax(x @ state["logits"][0] + state["logits"][1])
        return -jnp.take_along_axis(chosen, labels[:, None], 1).mean()

    @jax.jit
    def step(state, number):
        gradients = jax.grad(loss)(state, jax.random.fold_in(keys[0], number))
        return jax.tree.map(lambda weight, gradient: weight - 0.05 * gradient, state, gradients)

    state = jax.block_until_ready(step(state, 0))
    print("ready", flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        for number in range(int(line)):
            state = step(state, number)
        jax.block_until_ready(state)
        print(time.perf_counter() - began, flush=True)


main(int(sys.argv[1]))
