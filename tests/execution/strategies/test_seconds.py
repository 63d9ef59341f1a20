"""`+seconds`: two forecasts as one, each at its horizon."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.kits.strategy import StrategyConformance, random_views
from tercel.api.desk_file import parse_config
from tercel.core.errors import TercelError
from tercel.desk.rounds.build import check, known_of, slot_of
from tercel.execution import columns as c
from tercel.execution import intent as it
from tercel.execution.foresight.forecaster import shipped
from tercel.execution.guidance import expected_move
from tercel.execution.intent import View
from tercel.execution.probes import view_of
from tercel.execution.strategies import build
from tercel.execution.strategies.seconds import NEXT_NS, SPENT, OnSeconds, joined

HOUR = 3600 * 10**9


class TestSeconds(StrategyConformance):
    def strategy(self) -> OnSeconds:
        return OnSeconds(build("twap_take+alpha"))


def told(soon: float, late: float = 0.0, half_ns: int = HOUR) -> View:
    """A view with a forecast of 30 s and one of hours, bps against the order."""
    outlook = np.zeros((1, c.OUTLOOK), np.int64)
    outlook[0, [c.FORECAST_30, c.FORECAST_30_SD]] = round(1000 * soon), 500
    guided = view_of(
        alpha=round(1000 * late), alpha_sd=300 if late else 0, half_life_ns=half_ns if late else 0
    )
    return replace(guided, outlook=outlook)


moves = st.floats(-50, 50).filter(lambda move: abs(move) >= 0.01)


@settings(max_examples=2 * settings.default.max_examples)
@given(moves, moves, st.integers(10**9, 100 * HOUR))
def test_what_is_read_of_the_next_30_seconds_is_what_both_say(
    soon: float, late: float, half_ns: int
) -> None:
    x = joined(told(soon, late, half_ns))[0]
    alone = [SPENT * round(1000 * soon), float(expected_move(round(1000 * late), half_ns, NEXT_NS))]
    read = float(expected_move(x[c.ALPHA], x[c.HALF_LIFE_NS], NEXT_NS))
    wanted = sum(alone) if soon * late > 0 else max(alone, key=abs)
    assert read == pytest.approx(wanted, rel=1e-3, abs=1.0)
    if soon * late > 0:
        assert x[c.ALPHA] == pytest.approx(round(1000 * soon) + round(1000 * late), abs=1)


def test_seconds_alone_have_a_half_life_of_a_quarter_of_a_minute() -> None:
    x = joined(told(2.0))[0]
    assert (x[c.ALPHA], x[c.HALF_LIFE_NS]) == (2000, NEXT_NS // 2)


def test_where_nothing_is_said_it_is_the_strategy_within() -> None:
    views = random_views(300, 1)
    assert (joined(views) == views.x).all()
    inner = build("twap_take+alpha")
    assert (OnSeconds(inner).decide(views) == inner.decide(views)).all()


def test_a_taker_takes_more_before_the_price_runs_and_less_before_it_comes() -> None:
    strategy = OnSeconds(build("twap_take+alpha"))
    books = {f"far{n}": 400 for n in range(1, 6)}
    lots = [
        int(strategy.decide(replace(told(soon), m=view_of(**books).m))[0, it.TAKE])
        for soon in (-8.0, 0.0, 8.0)
    ]
    assert lots[0] < lots[1] < lots[2]


DESK = """
[desk]
name = "guided"
[[instrument]]
name = "AAA"
[[agent]]
name = "one"
strategy = "twap_take"
[[agent]]
name = "two"
strategy = "peg_touch"
alpha = false
[signals]
flow = "FLOW"
"""


def test_a_desk_guides_agents_that_take_alpha_by_its_forecaster() -> None:
    config = parse_config(DESK.replace("FLOW", "flow-2"), "desk.toml")
    check(config)
    slots = [slot_of(agent, known_of(config), config.signals.flow) for agent in config.agent]
    assert [slot.shown for slot in slots] == [
        "twap_take+alpha+posture+seconds",
        "peg_touch+posture",
    ]
    strategy = slots[0].strategy
    assert isinstance(strategy, OnSeconds)
    assert strategy.forecaster.id == shipped().id


def test_a_desk_whose_forecaster_is_nowhere_is_refused() -> None:
    with pytest.raises(TercelError, match="nowhere"):
        check(parse_config(DESK.replace("FLOW", "nowhere"), "desk.toml"))
