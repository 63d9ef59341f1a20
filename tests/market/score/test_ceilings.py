"""Ceilings of a score: recorded days against recorded days, by brute force and where the law is known."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from tests.market.score.conftest import day_of

from tercel.core.errors import ConfigError
from tercel.core.jit import Floats
from tercel.market.flow.port import Preset
from tercel.market.score.card import ScoreDraw, score, score_by_card, with_scores
from tercel.market.score.card_rows import check_rows
from tercel.market.score.ceilings import (
    DayAgreement,
    RecordedStretch,
    against_others,
    comparable_sums,
    recorded_ceilings,
)
from tercel.market.score.dynamics import sums_of
from tercel.market.score.half_hour_sums import (
    HALVES,
    Sums,
    figure_values,
    share_figures,
    sums_table,
)
from tercel.market.score.realism_gates import ScoreGate
from tercel.market.score.sample import sample
from tercel.market.score.scored_days import Day

NAMES = [f"share_{n}" for n in range(12)]
FIGURES = share_figures(NAMES)
COLUMNS = sorted({column for figure in FIGURES for column in figure.columns})
BAR = 0.05
SHARES = np.linspace(0.2, 0.7, len(NAMES))


def shares_of(days: Sequence[Sums]) -> dict[str, float]:
    return figure_values(FIGURES, sums_table(days, COLUMNS), COLUMNS)


def judge_shares(others: Sequence[Sequence[Sums]], one: Sequence[Sums]) -> dict[str, ScoreGate]:
    real, value = shares_of([day for unit in others for day in unit]), shares_of(one)
    return {n: ScoreGate(value[n], real[n], abs(value[n] - real[n]) <= BAR) for n in NAMES}


def sums_from(hits: Floats, cases: Floats) -> Sums:
    """A day of hits and cases, float64[HALVES, names] each."""
    columns = zip(NAMES, hits.T, cases.T, strict=True)
    return {key: x for n, h, c in columns for key, x in ((n, h), (f"{n}#", c))}


def drawn_days(seed: int, count: int, shift: float = 0.0, cases: int = 40) -> list[Sums]:
    """Days of one law, the shares of which differ by chance alone."""
    rng, shape = np.random.default_rng(seed), (HALVES, len(NAMES))
    return [
        sums_from(rng.binomial(cases, SHARES + shift, shape) * 1.0, np.full(shape, float(cases)))
        for _ in range(count)
    ]


def simulated_rows(days: Sequence[Sums], simulated: Sequence[Sums]) -> list[float | None]:
    """Share of the ceiling of the checks of simulated days, then of each figure."""
    units = comparable_sums(days)
    checks = judge_shares(units, simulated)
    return [row.share for row in check_rows("s", checks, against_others(units, judge_shares))]


@pytest.mark.parametrize("count", [1, 3, 6])
def test_leaving_out_by_sums_is_leaving_out_rows(count: int) -> None:
    """Half hours of fewer than five days, whose parity changes daily, otherwise days: counted over hits one by one."""
    rng = np.random.default_rng(count)
    cases = rng.integers(1, 5, (count, HALVES, len(NAMES))).astype(float)
    hits = np.floor(rng.random(cases.shape) * (cases + 1.0))
    found = against_others(
        comparable_sums([sums_from(*day) for day in zip(hits, cases, strict=True)]), judge_shares
    )
    units: list[list[tuple[int, int]]] = [[] for _ in range(count if count >= 5 else 2)]
    for day in range(count):
        for half in range(HALVES):
            units[day if count >= 5 else 1 - (day + half) % 2].append((day, half))
    for place, name in enumerate(NAMES):
        away = []
        for mine in units:
            rest = [cell for unit in units if unit is not mine for cell in unit]
            value, real = (
                sum(hits[cell][place] for cell in some) / sum(cases[cell][place] for cell in some)
                for some in (mine, rest)
            )
            away.append(abs(value - real))
        assert found[name].distance == pytest.approx(np.mean(away))
        assert found[name].passed == pytest.approx(np.mean([x <= BAR for x in away]))


def test_a_market_of_the_days_law_reaches_the_ceiling() -> None:
    """Of one law nearly all checks are passed and the share is near one, by days and by half hours."""
    for count in (1, 8):
        days = drawn_days(1, count)
        ceilings = against_others(comparable_sums(days), judge_shares)
        assert sum(one.passed for one in ceilings.values()) > 0.95 * len(NAMES)
        share = simulated_rows(days, drawn_days(2, 8))[0]
        assert share == pytest.approx(1.0, abs=0.06)


def test_a_planted_shift_lowers_the_share() -> None:
    days = drawn_days(3, 8)
    shares = [simulated_rows(days, drawn_days(4, 8, shift)) for shift in (0.0, 0.03, 0.1)]
    assert shares[0][0] == pytest.approx(1.0, abs=0.06)
    assert shares[2][0] == 0.0, "no check is passed"
    for none, small, large in zip(*(row[1:] for row in shares), strict=True):
        assert 0.0 < large < small < none <= 1.0


def test_days_that_differ_have_a_low_ceiling_which_no_market_is_charged_with() -> None:
    """Days of two laws: each fails against the others, so a market that fails alike has its share of the ceiling."""
    mixed = [*drawn_days(5, 4, -0.1), *drawn_days(6, 4, 0.1)]
    ceilings = against_others(comparable_sums(mixed), judge_shares)
    assert sum(one.passed for one in ceilings.values()) == 0.0
    shares = simulated_rows(mixed, drawn_days(7, 8, 0.1))
    assert shares[0] is None, "no recorded day passes a check"
    assert min(x for x in shares[1:] if x is not None) > 0.9


def test_a_check_that_cannot_be_had_has_not_passed() -> None:
    missing = {"a": ScoreGate(None, 1.0, False), "b": ScoreGate(1.0, 1.0, True)}
    ceilings = {"a": DayAgreement(0.1, 1.0, 5), "b": DayAgreement(0.1, 1.0, 5)}
    assert [row.share for row in check_rows("s", missing, ceilings)] == [0.5, 0.0, 1.0]


def test_one_unit_has_none_to_stand_against() -> None:
    with pytest.raises(ConfigError, match="at least two recorded days"):
        against_others([drawn_days(1, 1)], judge_shares)


# -- on events --------------------------------------------------------------------------------------------------------


def test_a_score_has_its_ceilings_and_its_card_keeps_them(truth: Preset, days: list[Day]) -> None:
    many = [*days, *(day_of(truth, f"2003-01-{16 + i}", 70 + i) for i in range(2))]
    draw = ScoreDraw(truth, many[:1], many[1:], seeds=(1,))
    card = score(draw, classifier=False, conditional=False)
    assert card.ceilings is not None
    assert card.ceilings.units == "5 days"
    assert set(card.ceilings.flow) == set(card.gates)
    assert set(card.ceilings.dynamics) >= set(card.dynamics)
    rows = {row.measure: row for row in card.rows}
    assert len(rows) == len(card.rows), "each measure once"
    shares = [row.share for row in card.rows if row.share is not None]
    assert shares[:3] == sorted(shares)[:3]
    flow = rows["flow: checks passed"]
    assert (flow.simulated, flow.recorded) == (sum(g.passed for g in card.gates.values()), 16)
    assert flow.share == pytest.approx(1.0, abs=0.4)
    assert rows["distance: mean of 14"].share > 0.8
    kept = score_by_card(with_scores(truth, draw.tape, card), (1,))
    assert kept.ceilings is not None
    assert kept.ceilings.units == card.ceilings.units
    again = {row.measure: row for row in kept.rows}
    assert again["flow: checks passed"].ceiling == pytest.approx(flow.ceiling, rel=1e-3)
    few = score(ScoreDraw(truth, days[:1], [], seeds=(1,)), classifier=False, conditional=False)
    assert few.ceilings is not None
    assert few.ceilings.units == "interleaved half hours (fewer than 5 days: 1)"


def test_the_days_of_a_ceiling_are_of_one_symbol_and_come_once(
    truth: Preset, days: list[Day]
) -> None:
    other = Day(replace(days[1].instrument, symbol="IBM"), days[1].events)
    with pytest.raises(ConfigError, match="days of one symbol"):
        ScoreDraw(truth, [days[0], other], [])
    with pytest.raises(ConfigError, match="each day once"):
        ScoreDraw(truth, [days[0], days[0]], [])
    seen = ScoreDraw(truth, days[:1], days[:1], seeds=(1,)).tape.ceilings
    alone = ScoreDraw(truth, days[:1], [other], seeds=(1,)).tape.ceilings
    assert seen == alone, (
        "a day calibrated on and scored on counts once, one of another symbol never"
    )


def test_too_little_tape_has_no_ceiling(days: list[Day]) -> None:
    part = Day(days[0].instrument, days[0].events, 1800.0, 3600.0)
    observed = part.observe()
    stretch = RecordedStretch(part, observed, sample(observed), sums_of(observed))
    assert recorded_ceilings([stretch], 1) is None


def test_halves_of_few_days_give_figures_no_share() -> None:
    """Two halves have one distance, which chance may make small; the checks they pass are counted all the same."""
    shares = simulated_rows(drawn_days(8, 3), drawn_days(9, 8))
    assert shares[0] == pytest.approx(1.0, abs=0.1)
    assert set(shares[1:]) == {None}
