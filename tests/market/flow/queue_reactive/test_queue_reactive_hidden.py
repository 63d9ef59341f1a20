"""Hidden executions: their laws from a made tape, and the flow's draws against the laws it was given."""

from typing import Any

import numpy as np
import pytest
from tests.market.flow.queue_reactive.made import made

from tercel.core.errors import ConfigError
from tercel.core.jit import Floats, Longs, kernel
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.calibrate import PARTS, calibrate
from tercel.market.flow.queue_reactive.extract import (
    WITH_NS,
    day_of,
    of_side,
    resting_sides,
    track_state,
)
from tercel.market.flow.queue_reactive.hidden_execution_laws import hidden_again_share
from tercel.market.flow.queue_reactive.hidden_executions import trade_hidden, trade_hidden_alone
from tercel.market.flow.queue_reactive.preset import QueueReactivePreset
from tercel.market.flow.queue_reactive.tables import LAYOUT, PilotFactors
from tercel.market.observed import Observed, observe
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import run_recorded, simulated_day
from tercel.market.simulator.source import first_world
from tercel.market.tape import Events, Instrument
from tercel.market.tape.schema import MESSAGE_END, TRADE_HIDDEN

MADE = Instrument("TEST", "MADE", "2003-01-13", tick=0.01, lot=1)
NONE = {"hidden": np.zeros(LAYOUT["hidden"].length)}
DRAWS = 40_000


def market(seed: int, **law: Any) -> QueueReactivePreset:
    return made(seed, law={name: tuple(map(float, np.ravel(x))) for name, x in law.items()})


def seen(events: Events) -> Observed:
    return observe(MADE, events, 60.0, q.LEVELS)


# -- from tape to laws ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare() -> Events:
    """A day of 12,000 s without hidden executions."""
    return simulated_day(market(1, **NONE), 1, 12_000.0, 0.0)


def planted(
    events: Events, seed: int, with_share: float, alone: int, bursts: float = 0.0
) -> Events:
    """The day with hidden executions of five lots put in a quarter into the spread from the bid: for a share of the
    sellers just before their market order, and `alone` others, each again with the chance `bursts` .1 s later."""
    rng, o = np.random.default_rng(seed), seen(events)
    sold = np.flatnonzero((o.kind == q.MARKET) & (o.side < 0))
    alone_at = rng.choice(np.flatnonzero(o.kind != q.MARKET)[:-50], alone, replace=False)
    ns = [o.ns[sold[rng.random(len(sold)) < with_share]] - WITH_NS // 2, o.ns[alone_at] + 1]
    where = np.sort(np.concatenate(ns))
    while bursts and len(ns[-1]):
        ns.append(ns[-1][rng.random(len(ns[-1])) < bursts] + NS_PER_SECOND // 10)
        where = np.sort(np.concatenate(ns))
    at = np.minimum(np.searchsorted(o.ns, where), o.n - 1)
    price = o.bid_px[at, 0] + np.floor(0.25 * (o.ask_px[at, 0] - o.bid_px[at, 0]) + 0.5).astype(
        np.int64
    )
    rows = {"exch_ns": where, "recv_ns": where, "seq": 0, "kind": TRADE_HIDDEN, "order_id": 0, "side": 1,
            "price_ticks": price, "qty_lots": 5, "flags": MESSAGE_END}  # fmt: skip
    names = Events.empty(0).__dataclass_fields__
    every = {
        n: np.concatenate((getattr(events, n), np.broadcast_to(rows[n], len(where)))) for n in names
    }
    order = np.argsort(every["exch_ns"], kind="stable")
    columns = {name: values[order] for name, values in every.items()}
    columns["seq"] = np.arange(1, len(order) + 1)
    return Events.from_columns(columns)


def estimated(events: Events) -> QueueReactivePreset:
    return calibrate([(MADE, events)], name="x", date="2026-01-01", skip_s=60.0, tuned=False)


def test_a_tape_without_them_makes_a_market_without_them(bare: Events) -> None:
    preset = estimated(bare)
    assert not any(preset.law["hidden"])
    assert preset.scalars["hidden_again"] == 0.0
    assert not (simulated_day(preset, 2, 600.0, 0.0).kind == TRADE_HIDDEN).any()


def test_rates_place_and_lots_of_a_made_tape_come_back(bare: Events) -> None:
    events = planted(bare, 1, with_share=0.6, alone=300)
    o = seen(events)
    assert len(o.hidden) == (events.kind[events.exch_ns >= o.start_ns] == TRADE_HIDDEN).sum()
    assert o.hidden[:, 2].sum() == o.counts["hidden_lots"] == 5 * len(o.hidden)
    assert o.n == seen(bare).n
    preset = estimated(events)
    rates = np.asarray(preset.law["hidden"]).reshape(2, q.LAST_PLACES, q.SPREADS)
    sides = np.where(o.kind == q.MARKET, -o.side.astype(np.int64), 0)
    # the frame is each side's own: half of the market orders are sellers, 0.6 of which have one
    spread = np.searchsorted(
        preset.law["spread_edges"], o.ask_px[:, 0] - o.bid_px[:, 0], side="right"
    )
    day = day_of(o, 1.0)
    seen_by = track_state(day, preset.pack_parameters(), np.zeros(o.n, np.int64))
    states = seen_by.last_place.astype(np.int64)
    taken = of_side(states, sides)
    joined = rates[0, taken, spread][sides != 0]
    assert joined.mean() == pytest.approx(0.6 * (sides == 1).sum() / (sides != 0).sum(), rel=0.15)
    for state in range(q.LAST_PLACES):
        sold, every = (int((which & (taken == state)).sum()) for which in (sides == 1, sides != 0))
        room = (
            5.0 * np.sqrt(0.24 * every + 1.0) / every
        )  # others come in the 5 ms before the market order
        assert joined[taken[sides != 0] == state].mean() == pytest.approx(
            0.6 * sold / every, abs=room
        )
    alone = sum(
        rates[1, states[:, at], spread].sum() for at in range(2)
    )  # for each side of each event
    assert alone == pytest.approx(300, rel=0.2)
    at = np.asarray(preset.law["hidden_at"])
    assert at.min() >= 0.0
    assert at.max() <= 1.0
    assert set(preset.law["hidden_lots"]) == {5.0}


@pytest.mark.parametrize("bursts", [0.0, 0.5])
def test_bursts_of_a_made_tape_come_back(bare: Events, bursts: float) -> None:
    events = planted(bare, 2, with_share=0.0, alone=400, bursts=bursts)
    assert hidden_again_share([day_of(seen(events), 1.0)]) == pytest.approx(bursts, abs=0.12)


# -- from laws to draws -----------------------------------------------------------------------------------------------


@kernel
def many(k: Longs, flow: Floats, side: int, alone: bool) -> None:
    last = k[q.LAST_TRADE]
    for _ in range(DRAWS):
        k[q.LAST_TRADE] = last
        if alone:
            trade_hidden_alone(k, flow)
        else:
            trade_hidden(k, flow, side)


@pytest.mark.parametrize("spread", [1, 4, 9])
@pytest.mark.parametrize("into", [-3, 0, 40, 60, 90, 130])
def test_as_many_as_the_law_says(spread: int, into: int) -> None:
    """Executions of one lot, counted: their mean is the law's, whatever the bursts."""
    preset = market(2, hidden_lots=np.ones(q.GAP_POINTS))
    _, k, flow = first_world(preset, 1)
    k[q.P_SIDE] = 1
    k[q.I_STATE] = np.searchsorted(preset.law["spread_edges"], spread, side="right") * q.TOUCHES
    k[[q.TOUCH, q.TOUCH + 1, q.LAST_TRADE]] = 900, 1_000, 900 + into
    law = np.asarray(preset.law["hidden"]).reshape(2, 6, q.SPREADS)[:, :, k[q.I_STATE] // q.TOUCHES]
    bid = place(into)
    for side, alone, mean in (
        (1, False, law[0, bid]),
        (-1, False, law[0, 5 - bid]),
        (1, True, law[1, bid] + law[1, 5 - bid]),
    ):
        before = int(k[sim.HIDDEN_LOTS])
        many(k, flow, side, alone)
        bursts = 1.0 + preset.scalars["hidden_again"]
        sd = np.sqrt(bursts / (1.0 - preset.scalars["hidden_again"]) * mean / DRAWS)
        assert (int(k[sim.HIDDEN_LOTS]) - before) / DRAWS == pytest.approx(mean, abs=5.0 * sd)


def test_their_place_and_lots_are_the_laws() -> None:
    at = np.repeat([0.0, 0.25, 0.5, 0.5], q.HIDDEN_POINTS // 4)
    preset = market(
        5,
        hidden_at=np.tile(at, q.LAST_PLACES * q.SPREADS),
        hidden_same=np.zeros(q.LAST_PLACES),
        hidden_lots=np.repeat([1, 7], q.GAP_POINTS // 2),
    )
    o = seen(simulated_day(preset, 1, 12_000.0, 60.0))
    wide = o.hidden[(o.hidden[:, 4] - o.hidden[:, 3]) % 4 == 0]
    share = (wide[:, 1] - wide[:, 3]) / (wide[:, 4] - wide[:, 3])
    counted = np.array([(np.minimum(share, 1.0 - share) == x).mean() for x in (0.0, 0.25, 0.5)])
    np.testing.assert_allclose(counted, [0.25, 0.25, 0.5], atol=5.0 * 0.5 / np.sqrt(len(wide)))
    assert set(o.hidden[:, 2].tolist()) == {1, 7}
    assert (o.hidden[:, 2] == 7).mean() == pytest.approx(0.5, abs=2.5 / np.sqrt(len(o.hidden)))


@pytest.mark.parametrize("again_share", [0.0, 0.8])
def test_a_burst_has_one_price_and_bursts_have_many(again_share: float) -> None:
    """Executions between events alone: those of one time are a burst, and bursts are geometric."""
    rates = np.repeat((0.0, 0.1), q.LAST_PLACES * q.SPREADS)
    at = np.linspace(0.0, 0.5, LAYOUT["hidden_at"].length)
    law = {
        "hidden": tuple(rates),
        "hidden_at": tuple(at),
        "spread_edges": (9.0, 12.0, *[1e300] * 9),
    }
    law |= {"inside": (1.0,) * LAYOUT["inside"].length}
    preset = made(
        7, 0.2, law=law, scalars={"hidden_again": again_share}, knobs=PilotFactors(inside=0.3)
    )
    b, k, flow = first_world(preset, 1)
    rows = run_recorded(b, k, flow, 7_200 * NS_PER_SECOND)
    rows = rows[rows[:, sim.R_KIND] == TRADE_HIDDEN]
    _, burst, long = np.unique(rows[:, sim.R_NS], return_inverse=True, return_counts=True)
    first = rows[np.searchsorted(burst, np.arange(len(long)))]
    assert len(long) > 100
    assert (rows[:, [sim.R_PRICE, sim.R_SIDE]] == first[burst][:, [sim.R_PRICE, sim.R_SIDE]]).all()
    assert long.mean() == pytest.approx(1.0 / (1.0 - again_share), rel=0.35)
    assert len(np.unique(first[:, sim.R_PRICE])) > 5


def place(into: int) -> int:
    """Place of a trade so many ticks from a side's best price, in a spread of a hundred."""
    return 0 if into < 0 else 5 if into > 100 else max(1, -(-into // 25))


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("into", [-7, 0, 25, 26, 50, 75, 76, 100, 101])
@pytest.mark.parametrize("same", [0.0, 1.0])
def test_their_place_depends_on_where_the_last_trade_was(side: int, into: int, same: float) -> None:
    """A law of place has one share, its number in hundredths: so many ticks of a spread of a hundred; or the trade's price."""
    numbers = np.arange(q.LAST_PLACES * q.SPREADS)
    preset = market(
        1,
        hidden_at=np.repeat(numbers / 100.0, q.HIDDEN_POINTS),
        hidden_same=np.where(np.arange(q.LAST_PLACES) % 5 == 0, 0.0, same),
        hidden=np.ones(LAYOUT["hidden"].length),
    )
    _, k, flow = first_world(preset, 1)
    k = sim.extend(k, 0, 1_000)
    own = 9_000 if side > 0 else 9_100
    k[[sim.PUBLIC_BID, sim.PUBLIC_ASK, q.TOUCH, q.TOUCH + 1]] = 9_000, 9_100, 9_000, 9_100
    k[[q.P_SIDE, q.LAST_TRADE]] = 1, own + side * into
    k[q.I_STATE] = 5 * q.TOUCHES
    for _ in range(20):
        trade_hidden(k, flow, side)
    rows = k[k[sim.RECORD_AT] :][: k[sim.RECORD] * sim.RECORD_WORDS].reshape(-1, sim.RECORD_WORDS)
    drawn = place(into) * q.SPREADS + 5
    away = into if same and 0 <= into <= 100 else drawn
    assert set(rows[:, sim.R_PRICE].tolist()) == {own + side * away}


def test_the_side_that_rested_is_the_feeds_or_the_nearer_one() -> None:
    """Between 100 and 110: told, then not told; at the mid sides take turns."""
    rows = np.array([[0, price, 1, 100, 110, told] for price, told in
                     ((102, -1), (109, 1), (102, 0), (109, 0), (105, 0), (105, 0))])  # fmt: skip
    assert resting_sides(rows).tolist() == [-1, 1, 1, -1, 1, -1]


def fitted(bare: Events, without: tuple[str, ...] = ()) -> QueueReactivePreset:
    days = [(MADE, planted(bare, 1, with_share=0.6, alone=300))]
    return calibrate(days, name="x", date="2026-01-01", skip_s=60.0, tuned=False, without=without)


@pytest.fixture(scope="module")
def whole(bare: Events) -> QueueReactivePreset:
    """The preset with every part."""
    return fitted(bare)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(one, marks=[] if one == "hidden executions" else pytest.mark.release)
        for one in PARTS
    ],
)
def test_a_part_that_is_left_out_knows_nothing_and_the_rest_is_fitted_around_it(
    bare: Events, whole: QueueReactivePreset, part: str
) -> None:
    less = fitted(bare, (part,))
    for name in PARTS[part]:
        rows = np.reshape(less.law[name], (-1, q.EVENTS))
        assert (rows == rows[0]).all(), "every class is one"
        assert not np.array_equal(whole.law[name], less.law[name])
    if part == "hidden executions":
        assert not any(less.law["hidden"])
    if part == "age and size of orders":
        assert set(less.law["leaves"]) == {1.0}
    if part == "rates that last":
        assert {row[:2] for row in less.minutes} == {(1.0, 1.0)}
    assert less.law["state"] != whole.law["state"] or not PARTS[part]
    assert simulated_day(less, 2, 60.0, 0.0).n > 0


def test_a_part_that_is_none_is_refused(bare: Events) -> None:
    with pytest.raises(ConfigError, match="young touches"):
        calibrate([(MADE, bare)], name="x", date="2026-01-01", without=("magic",))
