import pytest

from tests.idxfiles import write_data_set


@pytest.fixture
def idx_files(tmp_path):
    write_data_set(tmp_path / "data")
    return tmp_path / "data"
