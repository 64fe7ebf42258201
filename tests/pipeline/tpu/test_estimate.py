import pytest

from idxpipe.pipeline.preflight.prices import read_table
from idxpipe.pipeline.tpu.compiler import Compiled
from idxpipe.pipeline.tpu.estimate import cost, roofline
from idxpipe.pipeline.tpu.topology import find_topology

V5E = find_topology("v5e:2x2")


def test_the_slower_of_two_is_the_bound():
    # 197 TFLOP/s and 819 GB/s.
    assert roofline(Compiled(0, 197e9, 819e3), V5E).seconds == pytest.approx(1e-3)
    assert roofline(Compiled(0, 197e9, 819e3), V5E).bound == "compute"
    assert roofline(Compiled(0, 197e3, 819e6), V5E).seconds == pytest.approx(1e-3)
    assert roofline(Compiled(0, 197e3, 819e6), V5E).bound == "memory"


def test_a_training_costs_its_machines_price():
    found = cost(1800.0, V5E)
    hourly = read_table()["machines"]["ct5lp-hightpu-4t"]["price"]
    assert found.hourly == hourly
    assert found.at_roofline == pytest.approx(hourly / 2)
    assert found.assumed == pytest.approx(hourly * found.minutes / 60)


def test_an_older_tpu_is_priced_by_its_cores():
    table = read_table()
    assert cost(0.0, find_topology("v3-8")).hourly == pytest.approx(
        8 * table["accelerators"]["TPU_V3"]["price"] + table["machines"]["cloud-tpu"]["price"]
    )


def test_what_vertex_does_not_have_has_no_price():
    assert cost(1.0, find_topology("v6e:2x2")) is None
