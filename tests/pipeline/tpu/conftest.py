import os

import pytest

from tests.emulators import ABSENT, environment


@pytest.fixture(scope="module", autouse=True)
def _with_jax():
    """Its compiler is JAX's, in a process of its own."""
    path = [part for part in os.environ["PYTHONPATH"].split(os.pathsep) if part != ABSENT]
    with environment(PYTHONPATH=os.pathsep.join(path)):
        yield
