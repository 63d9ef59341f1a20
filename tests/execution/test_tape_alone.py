"""Under the bound `undercut` forecasts and observations are those of the tape alone, and orders stand where they stood."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from tests.execution.test_identity import ROWS, TASK, often_undercut, plan_of, recorded_tape

from tercel.execution import columns as c
from tercel.execution.foresight.forecaster import Forecaster, shipped
from tercel.execution.intent import ANCHOR, REST0, Intents, View
from tercel.execution.observation import view_of
from tercel.execution.strategies import build
from tercel.execution.strategy import Strategy, ladder, settle
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source, theirs
from tercel.market.tape.schema import ADD

LOOKS = Task(**(TASK | {"warmup_s": 100.0, "horizon_s": 180.0, "decisions": 90}))


@dataclass
class Inside(Strategy):
    """Rests everything some ticks better than everybody that it sees, and keeps what it was shown."""

    better: int
    name: str = "inside"
    shown: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    drawn: int = 0

    @property
    def forecaster(self) -> Forecaster:
        return shipped()

    def decide(self, view: View) -> Intents:
        """All at `better` ticks inside, where there is room; at the touch elsewhere."""
        self.shown.append(
            (int(view.time_left_ns[0]), view.m.tobytes(), view.outlook_rows.tobytes())
        )
        self.drawn += int(view.undercut[0] > 0)
        intents = ladder(view)
        inside = (view.spread > self.better) * (self.better > 0)
        intents[:, ANCHOR] = view.touch + view.side * self.better * inside
        intents[:, REST0] = view.left * (self.better > 0)
        return settle(intents, view)


def shown_in(source: Source, better: int, quantity: int, index: int) -> tuple[Inside, Episodes]:
    episodes = Episodes(source, LOOKS, 1, record_rows=ROWS, looks_back=True)
    plan = plan_of(source, LOOKS, quantity, index)
    episodes.start(plan)
    strategy = Inside(better)
    episodes.foresee(strategy.forecaster)
    while episodes.working.all():
        episodes.step(strategy.decide(episodes.view))
    return strategy, episodes


def without_drawn(source: Source, episodes: Episodes) -> Source:
    """The tape as an own order left it, and no drawn order: arrivals without the lots that the own order traded, or
    would lock with.
    """
    record, tape = episodes.record(0), source.tape
    kind, who = record[:, sim.R_KIND], record[:, sim.R_WHO]
    drawn = who >= int(episodes.books[0][lay.ORDERS]) - sim.RIVAL_SLOTS
    rows = record[(kind < sim.OWN_REST) & ~drawn][:, : sim.TAPE_WORDS]
    passive = record[(kind == sim.OWN_FILL) & (record[:, sim.R_SIDE] == 1)]
    for ns in tape[(tape[:, sim.T_KIND] == ADD) & (tape[:, sim.T_NS] <= rows[-1, 0]), sim.T_NS]:
        came, stood = (
            part[(part[:, sim.T_NS] == ns) & (part[:, sim.T_KIND] == ADD), sim.T_LOTS].sum()
            for part in (tape, rows)
        )
        assert came - stood in (passive[passive[:, sim.R_NS] == ns, sim.R_LOTS].sum(), came)
    states = source.worlds_k.copy()
    states[:, sim.UNDERCUT] = 0
    return replace(source, tape=np.ascontiguousarray(rows), worlds_k=states)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("better", [1, 3])
@pytest.mark.parametrize("seed", [1, 2])
def test_forecasts_and_observations_are_those_of_the_tape_alone(
    seed: int, better: int, index: int
) -> None:
    source = often_undercut(recorded_tape(seed, halts=False, preset="ibm-santa-fe"))
    mine, episodes = shown_in(source, better, 40, index)
    alone, _ = shown_in(without_drawn(source, episodes), 0, 0, index)
    assert mine.drawn > 5
    assert len(mine.shown) == LOOKS.decisions
    assert mine.shown == alone.shown
    told = np.frombuffer(mine.shown[-1][2], np.int64)
    assert told[c.FORECAST_30_SD - c.USUAL_SPREAD] > 0, "something was said"


@pytest.mark.parametrize("side", [1, -1])
def test_orders_stand_about_the_price_that_they_would_meet(side: int) -> None:
    touch, far = (1000, 1010) if side > 0 else (1010, 1000)
    view = view_of(side=side, touch=touch, far=far, undercut=3, own1=5, far1=5)
    assert view.touch.tolist() == [touch + 3 * side]
    assert view.spread.tolist() == [7]
    for name in ("peg_touch", "direction_rule", "score_rule", "twap_repeg", "guarded"):
        assert build(name).decide(view)[0, ANCHOR] == touch + 4 * side, name
    tight = view_of(side=side, touch=touch, far=far, undercut=9, own1=5, far1=5)
    for name in ("direction_rule", "score_rule"):
        assert build(name).decide(tight)[0, REST0] == 0, "one tick is left: nothing stands inside"


def test_without_the_bound_nothing_is_drawn() -> None:
    source = theirs(recorded_tape(1, halts=False, preset="ibm-santa-fe"))
    strategy, episodes = shown_in(source, 1, 40, 0)
    assert strategy.drawn == 0
    assert episodes.states[0, sim.RIVALS] == 0
