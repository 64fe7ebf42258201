import numpy as np
import pytest

from idxpipe.components.core.stores.spool import spool


@pytest.mark.parametrize("size", [0, 10, 20 << 20])
def test_what_is_written_is_read_in_memory_or_from_disk(size):
    content = np.arange(size, dtype=np.uint8)
    with spool() as buffer:
        buffer.write(content[: size // 2])
        buffer.write(memoryview(content[size // 2 :]))
        assert buffer.size == size
        buffer.file.seek(0)
        assert buffer.file.read() == content.tobytes()
