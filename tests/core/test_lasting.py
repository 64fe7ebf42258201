import gc

import pytest

from idxpipe.components.core.tf_host import without_gc


def test_what_is_made_is_never_looked_at_again():
    before = gc.get_freeze_count()
    with without_gc():
        assert not gc.isenabled()
        made = [[] for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() > before + len(made)
    gc.unfreeze()


def test_the_collector_is_left_as_it_was():
    with pytest.raises(ImportError), without_gc():
        raise ImportError
    assert gc.isenabled()
    gc.disable()
    with without_gc():
        pass
    assert not gc.isenabled()
    gc.enable()
    gc.unfreeze()
