"""Nobody is paid for moving the price and moving it back: a guard of the markets that agents learn in.

At up to 20 % of the volume, none of a hundred searched round trips has an expected gain after the spread that chance
would not give the best of a hundred.
"""

import pytest

from tercel.market.flow import preset as presets
from tercel.market.impact.pilot import WORLDS, mean_trade
from tercel.market.impact.round_trips import round_trips, schedules
from tercel.market.simulator.source import reactive


def searched(name, participation, pairs=20):
    preset = presets.load(name)
    market = reactive(preset, worlds=WORLDS, impact=None)
    trade = market.impact.mean_trade_lots if market.impact else mean_trade(market, 0)
    return round_trips(market, preset.volume_per_s, trade, pairs=pairs, participation=participation)


@pytest.mark.parametrize("name", [presets.DEFAULT, "csco-santa-fe"])
@pytest.mark.parametrize(
    "participation",
    [0.2, pytest.param(0.1, marks=pytest.mark.slow), pytest.param(0.05, marks=pytest.mark.slow)],
)
def test_no_round_trip_pays_after_the_spread(name, participation):
    found = searched(name, participation)
    assert found["after_spread"]["searched"] == len(schedules())
    assert not found["after_spread"]["makes_money"], found["after_spread"]
    if name == presets.DEFAULT and participation == 0.2:
        # The search has power: booked at mids, some trips do pay, since the law is paid later than the lots are taken.
        assert found["at_mids"]["makes_money"], found["at_mids"]
