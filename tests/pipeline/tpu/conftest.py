import pytest


@pytest.fixture(scope="module", autouse=True)
def _with_jax(with_jax):
    """All that is here compiles."""
