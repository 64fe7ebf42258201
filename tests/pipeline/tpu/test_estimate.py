import pytest

from idxpipe.pipeline.tpu.compiler import Compiled
from idxpipe.pipeline.tpu.estimate import roofline
from idxpipe.pipeline.tpu.topology import find_topology

V5E = find_topology("v5e:2x2")


def test_the_slower_of_two_is_the_bound():
    # 197 TFLOP/s and 819 GB/s.
    assert roofline(Compiled(0, 197e9, 819e3), V5E).seconds == pytest.approx(1e-3)
    assert roofline(Compiled(0, 197e9, 819e3), V5E).bound == "compute"
    assert roofline(Compiled(0, 197e3, 819e6), V5E).seconds == pytest.approx(1e-3)
    assert roofline(Compiled(0, 197e3, 819e6), V5E).bound == "memory"
