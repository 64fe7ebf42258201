import pytest

from idxpipe.components.core.errors import DataError
from idxpipe.pipeline.spec.parse import parse


def test_refuses_what_aliases_blow_up():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    with pytest.raises(DataError, match="too many values"):
        parse("\n".join(lines).encode())
