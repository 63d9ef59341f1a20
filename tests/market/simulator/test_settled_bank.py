"""A bank whose books stand at one time of day: what a judged market stands at."""

import numpy as np
import pytest

from tercel.market.book import layout as lay
from tercel.market.flow import registry as presets
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import reactive, settled_bank


@pytest.mark.parametrize("name", ["sh600961", "csco-santa-fe"])
def test_every_world_settles_by_itself_to_the_same_time(name):
    preset = presets.load(name)
    bank, one = settled_bank(preset, 3, settle_s=300.0), reactive(preset, 1, settle_s=300.0)
    assert set(bank.worlds_k[:, sim.DUE_NS].tolist()) == {int(one.worlds_k[0, sim.DUE_NS])}
    for word in (sim.SESSION_NS, sim.IMPACT):
        assert set(bank.worlds_k[:, word].tolist()) == {int(one.worlds_k[0, word])}
    np.testing.assert_array_equal(bank.flow, one.flow)
    assert bank.impact == one.impact
    assert len({row.tobytes() for row in (*bank.worlds_b, *one.worlds_b)}) == 4
    assert (bank.worlds_b[:, lay.OVERFLOW] == 0).all()
    assert (settled_bank(preset, 3, 1, 300.0).worlds_b != bank.worlds_b).any()
