"""Scores of markets whose truth is known."""

import json

import numpy as np
import pytest
from tests.market.score.conftest import day_of

from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.port import Preset
from tercel.market.observed import observe
from tercel.market.observed.event_columns import MARKET
from tercel.market.score.card import (
    ScoreDraw,
    compact,
    interleaved_l1,
    score,
    score_by_card,
    with_scores,
)
from tercel.market.score.distance import Reference, mean14
from tercel.market.score.held_out import HeldOutTape
from tercel.market.score.realism_gates import gate_values, gates
from tercel.market.score.sample import (
    CURVES,
    FOURTEEN,
    RESPONSE_LAGS,
    acf,
    clock_of,
    response,
    returns,
    sample,
)
from tercel.market.score.scored_days import Day, half_hours, simulate_stretch
from tercel.market.tape import Events, schema


def test_a_day_against_itself_is_at_zero(days: list[Day]) -> None:
    one = sample(days[0].observe())
    found = Reference.of(one).l1(one)
    assert set(found) == {*FOURTEEN, *CURVES}
    assert set(found.values()) == {0.0}
    assert mean14(found) == 0.0
    assert all(gate.passed for gate in gates(gate_values(one), gate_values(one)).values())


def test_a_model_on_its_own_days_is_as_near_as_they_are_to_each_other(
    truth: Preset, days: list[Day]
) -> None:
    drawn = ScoreDraw(truth, days[:1], days[1:])
    card = score(drawn, classifier=False, conditional=False)
    assert card.mean_l1 == pytest.approx(card.floor_mean_l1, rel=0.25)
    assert card.pooled_floor_mean_l1 <= card.floor_mean_l1
    assert card.mean_l1 < 0.08
    narrow = ("mean_spread", "market_orders", "market_size", "sign_acf_1", "variance_ratio_10s")
    assert [name for name in narrow if not card.gates[name].passed] == []
    for name in ("sd_1s", "sd_10s", "sd_60s"):
        assert card.gates[name].value == pytest.approx(card.gates[name].real, rel=0.3)


def test_the_simulated_stretch_is_as_long_and_as_late_as_the_real_one(
    truth: Preset, days: list[Day]
) -> None:
    part = Day(days[0].instrument, days[0].events, 1800.0, 3600.0)
    seen = part.observe()
    assert seen.seconds == 1800.0
    like = simulate_stretch(truth, 1, seen)
    assert like.seconds == seen.seconds
    assert like.start_ns - like.open_ns == seen.start_ns - seen.open_ns
    assert len(like.mid2) == len(seen.mid2)


def test_a_part_is_what_would_have_been_read(days: list[Day]) -> None:
    day, whole = days[0], days[0].observe()
    start = day.instrument.session_open_ns + 1800 * NS_PER_SECOND
    part = whole.part(start, start + 1200 * NS_PER_SECOND)
    read = observe(day.instrument, day.events, 900.0, from_s=1800.0, to_s=3000.0)
    for name in vars(read):
        if name != "counts":
            np.testing.assert_array_equal(getattr(part, name), getattr(read, name), name)


def test_half_hours_take_turns_and_lose_nothing(days: list[Day]) -> None:
    seen = [day.observe() for day in days[:2]]
    odd, even = (half_hours(seen, odd) for odd in (True, False))
    assert sum(o.n for o in (*odd, *even)) == sum(o.n for o in seen)
    first = [(o.start_ns - o.open_ns) // (1800 * NS_PER_SECOND) for o in odd]
    assert first == [1, 3, 0, 2]


def test_interleaved_halves_forgive_no_day(truth: Preset, days: list[Day]) -> None:
    """Where days differ among themselves, the floor of another day grows and that of the half hours does not."""
    thin = truth.model_copy(update={"cancel_rate": tuple(3.0 * r for r in truth.cancel_rate)})
    mixed = [days[0], day_of(thin, "2003-01-20", 60)]
    drawn = ScoreDraw(truth, mixed, days[1:2], seeds=(1,))
    card = score(drawn, classifier=False, conditional=False)
    assert card.interleaved_floor_mean_l1 < 0.6 * card.floor_mean_l1
    forgiven = card.mean_l1 / card.floor_mean_l1
    assert card.interleaved_mean_l1 / card.interleaved_floor_mean_l1 > 1.3 * forgiven
    short = ScoreDraw(
        truth, [Day(days[0].instrument, days[0].events, 1800.0, 3600.0)], [], seeds=(1,)
    )
    assert short.tape.interleaved_floor_mean_l1 is None
    assert interleaved_l1(short.tape, short.simulated) is None


def test_a_card_scores_as_its_days_do(truth: Preset, days: list[Day]) -> None:
    """The tape travels as JSON: distances are the same to the last digit, gates to the five that are kept."""
    drawn = ScoreDraw(truth, days[:2], days[2:], seeds=(1,))
    told = score(drawn, classifier=False)
    kept = with_scores(truth, drawn.tape, told)
    assert len(json.dumps(kept.card["scored_tape"])) < 30_000
    kept = kept.model_copy(update={"card": json.loads(json.dumps(kept.card))})
    again = score_by_card(kept, (1,))
    for name, row in told.distances.items():
        assert again.distances[name].l1 == pytest.approx(
            row.l1, abs=0.0 if name in FOURTEEN else 1e-4
        )
        assert again.distances[name].wasserstein is None
    for key in ("mean_l1", "floor_mean_l1", "interleaved_mean_l1", "interleaved_floor_mean_l1"):
        assert getattr(again, key) == pytest.approx(getattr(told, key), rel=1e-4)
    for key in ("gates", "gates_train", "gates_level", "dynamics"):
        assert {name: row.passed for name, row in getattr(again, key).items()} == {
            name: row.passed for name, row in getattr(told, key).items()
        }
    assert again.scored_on == told.scored_on
    assert "need the days themselves" in again.notes[-1]
    with pytest.raises(ConfigError, match="no tape on the card"):
        HeldOutTape.from_card(truth)
    torn = kept.card["scored_tape"] | {"references": [{"bins": {}, "curves": {}}]}
    with pytest.raises(ConfigError, match="market score` keeps it with `write=`"):
        HeldOutTape.from_card(kept.model_copy(update={"card": {**kept.card, "scored_tape": torn}}))


def test_statistics_by_brute_force(days: list[Day]) -> None:
    seen = observe(days[0].instrument, days[0].events, 900.0, from_s=900.0, to_s=2700.0)
    found = sample(seen)
    rows = [i for i in range(seen.n) if not seen.remainder[i]]
    spread = [seen.ask_px[i, 0] - seen.bid_px[i, 0] for i in rows]
    assert found.values["spread"].tolist() == spread
    assert found.mean_spread == pytest.approx(np.mean(spread))
    deep = [seen.bid_lots[i, 1:].sum() * seen.lot for i in rows] + [
        seen.ask_lots[i, 1:].sum() * seen.lot for i in rows
    ]
    assert found.values["deep_depth"].tolist() == deep
    limits = [i for i in rows if seen.kind[i] <= 2]
    behind = [
        (seen.bid_px[i, 0] - seen.price[i])
        if seen.side[i] > 0
        else (seen.price[i] - seen.ask_px[i, 0])
        for i in limits
    ]
    assert found.values["limit_distance"].tolist() == behind
    trades = [i for i in rows if seen.kind[i] == MARKET]
    minutes = [0.0] * 30
    for i in trades:
        minutes[int((seen.ns[i] - seen.start_ns) // (60 * NS_PER_SECOND))] += (
            seen.lots[i] * seen.lot
        )
    assert found.values["minute_volume"].tolist() == minutes
    mids = [(seen.bid_px[i, 0] + seen.ask_px[i, 0]) / 2 for i in trades]
    for at, lag in enumerate(RESPONSE_LAGS):
        moved = [seen.side[i] * (mids[j + lag] - mids[j]) for j, i in enumerate(trades[:-lag])]
        assert found.response[at] == pytest.approx(np.mean(moved))
    assert response([seen]) == pytest.approx(found.response)
    ten = [(seen.mid2[s + 10] - seen.mid2[s]) / 2 for s in range(len(seen.mid2) - 10)]
    assert returns(seen, 10).tolist() == ten
    assert found.sd[10] == pytest.approx(np.sqrt(np.mean(np.square(ten))))
    assert gate_values(found)["market_orders"] == pytest.approx(60 * len(trades) / 1800)


def test_autocorrelation_of_a_known_process() -> None:
    rng = np.random.default_rng(5)
    x = np.zeros(200_000)
    for i in range(1, len(x)):
        x[i] = 0.6 * x[i - 1] + rng.normal()
    np.testing.assert_allclose(acf([x], 5), 0.6 ** np.arange(1, 6), atol=0.01)
    np.testing.assert_allclose(
        acf([x[:100_000], x[100_000:]], 5), 0.6 ** np.arange(1, 6), atol=0.01
    )
    assert acf([np.ones(5)], 3).tolist() == [0.0, 0.0, 0.0]


def test_waits_are_read_by_the_clock_of_the_tape(days: list[Day]) -> None:
    seen = days[0].observe()
    fine, coarse = sample(seen), sample(seen, 1_000_000)
    assert fine.values["log_wait"].min() > coarse.values["log_wait"].min() == -9.0
    assert clock_of(seen) == 1


def test_a_stretch_with_too_little(truth: Preset, days: list[Day]) -> None:
    with pytest.raises(ConfigError, match="market orders to score on"):
        sample(Day(days[0].instrument, days[0].events, 1800.0, 1810.0).observe())
    other = truth.model_copy(update={"tick": 0.05})
    with pytest.raises(ConfigError, match="tick"):
        ScoreDraw(other, days[:1], days[1:2])
    with pytest.raises(ConfigError, match="at least one day"):
        ScoreDraw(truth, [], days)


def with_status(day: Day, at_s: float, status: int) -> Day:
    """The day with a row of trading status at so many seconds after the opening."""
    events = day.events
    ns = day.instrument.session_open_ns + round(at_s * NS_PER_SECOND)
    row = int(np.searchsorted(events.exch_ns, ns))
    new = {
        "exch_ns": ns,
        "recv_ns": ns,
        "kind": schema.STATUS,
        "price_ticks": status,
        "flags": schema.MESSAGE_END,
    }
    columns = {
        name: np.insert(column, row, new.get(name, 0))
        for name, column in zip(schema.COLUMN_NAMES, events.columns(), strict=True)
    }
    columns["seq"] = np.arange(1, events.n + 2)
    return Day(day.instrument, Events.from_columns(columns))


def test_a_halt_is_left_out_and_said(truth: Preset, days: list[Day]) -> None:
    halted = with_status(with_status(days[0], 3000.0, -1), 3600.0, 1)
    seen, whole = halted.observe(), days[0].observe()
    assert seen.counts["halts"] == 1
    in_halt = (whole.ns >= halted.instrument.session_open_ns + 3000 * NS_PER_SECOND) & (
        whole.ns < halted.instrument.session_open_ns + 3600 * NS_PER_SECOND
    )
    assert seen.n == whole.n - np.count_nonzero(in_halt)
    card = score(ScoreDraw(truth, [halted], days[1:2], seeds=(1,)), classifier=False)
    assert card.notes == ["2003-01-13: halts, left out: 1"]
    assert card.mean_l1 < 0.1


def test_a_score_without_its_own_days_has_no_ceilings(truth: Preset, days: list[Day]) -> None:
    card = score(ScoreDraw(truth, days[:1], [], seeds=(1,)), classifier=False, conditional=False)
    assert card.floor_mean_l1 is None
    assert card.pooled_floor_mean_l1 is None
    assert "no ceilings" in card.notes[0]
    assert len(str(compact(card))) < 16_000
