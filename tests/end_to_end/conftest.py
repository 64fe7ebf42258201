import pytest


@pytest.fixture(scope="module", autouse=True)
def _as_on_a_users_machine(lean):
    """For whole pipelines, whose stages are processes."""
