import pytest

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.core.errors import UsageError


@pytest.mark.parametrize("name", ["", "1a", "a-b", "../a", "a b"])
def test_a_name_must_fit_a_file_name(name):
    with pytest.raises(UsageError, match="not a name"):
        ConvertConfig(dataset_name=name)


def test_shards_are_not_negative():
    with pytest.raises(UsageError, match="too small"):
        ConvertConfig(num_shards=-1)


def test_beam_options_are_words_of_a_command_line():
    with pytest.raises(UsageError, match="not words") as caught:
        ConvertConfig(beam_options="--project='p")
    assert "No closing quotation" in str(caught.value)
