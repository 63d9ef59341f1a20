"""The judged table on made-up costs of known composition."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tercel.core.errors import CapacityError, ConfigError, TercelError
from tercel.core.serialization import to_jsonable
from tercel.core.stats import Estimate
from tercel.execution.costs import PARTS, Costs, attribute, displacement
from tercel.execution.task import Task
from tercel.lab.evaluation.adaptability import Response
from tercel.lab.evaluation.comparisons import (
    ComparisonLedger,
    ResampledScores,
    Scores,
    compare,
    gains,
)
from tercel.lab.evaluation.cost_rows import KEYS, MEANINGS, CostRow
from tercel.lab.evaluation.cost_sections import (
    composition,
    distribution_row,
    order_facts,
    remaining_shares,
    timing,
)
from tercel.lab.evaluation.judge import (
    JudgedEntry,
    clip_to_range,
    count_lots,
    judge,
    paired_correlation,
)
from tercel.lab.evaluation.pipeline.sentences import entry_notes

GRID, QTY, MID2 = 5, 100, 20_000
SHARED = np.random.default_rng(99)
MARKET = SHARED.integers(-300, 300, 4096)  # half ticks that every strategy suffers alike


def make(episodes, extra, *, seed=0, clusters=None, moved=0, forced=0):
    """Costs of one run: the shared market move, `extra` half ticks a lot, noise, and a displaced mid."""
    rng = np.random.default_rng(seed)

    def ints(value=0):
        return np.full(episodes, value, np.int64)

    noise = rng.integers(-20, 21, episodes)
    lots_grid = np.zeros((episodes, GRID), np.int64)
    lots_grid[:, 2] = QTY - forced
    forced_grid = np.zeros((episodes, GRID), np.int64)
    forced_grid[:, -1] = forced
    return Costs(
        qty=ints(QTY),
        arrival_mid2=ints(MID2),
        spread=ints(QTY - forced) * 2,
        walk=(extra + noise) * (QTY - forced),
        timing=MARKET[:episodes] * (QTY - forced),
        forced_spread=ints(forced) * 3,
        forced_walk=ints(forced),
        forced_timing=MARKET[:episodes] * forced,
        lots_filled=ints(QTY),
        passive_lots=rng.integers(0, QTY - forced + 1, episodes),
        forced_lots=ints(forced),
        unfilled_lots=ints(),
        unfilled_paid=ints(),
        mid2_grid=MID2
        + np.tile([0, 0, 1, 1, 1], (episodes, 1)) * moved
        + rng.integers(-5, 6, (episodes, GRID)),
        lots_grid=lots_grid,
        forced_lots_grid=forced_grid,
        side=np.ones(episodes, np.int8),
        cluster=np.arange(episodes) if clusters is None else clusters,
        fees=ints(),
        double_lots=ints(),
        messages=ints(),
        overflow=ints(),
        run_out=ints(1),
    )


def field(episodes=200, **changes):
    """A small field: two baselines, random, three seeds of a learned policy, and of one's own."""
    return [
        JudgedEntry("immediate", "baseline", (make(episodes, 80, seed=1, **changes),)),
        JudgedEntry("twap_take", "baseline", (make(episodes, 20, seed=2, forced=10, **changes),)),
        JudgedEntry("random", "random", (make(episodes, 0, seed=3, **changes),)),
        JudgedEntry(
            "ppo",
            "learned",
            tuple(make(episodes, -10 + s, seed=4 + s, **changes) for s in range(3)),
        ),
        JudgedEntry(
            "mine", "own", tuple(make(episodes, 50 + s, seed=7 + s, **changes) for s in range(3))
        ),
    ]


def twin(episodes=200):
    return np.full((episodes, GRID), MID2, np.int64)


def run(entries, twins=None, seed=0):
    """Cost rows by strategy, and gains of each training seed."""
    return judge(entries, twins, np.random.default_rng(seed), 500)


def rows_of(entries, twins=None, seed=0):
    return run(entries, twins, seed)[0]


def notes_on(entries, twins=None):
    clusters = len(set(entries[0].runs[0].cluster.tolist()))
    return entry_notes(entries, clusters, twins is None)


@pytest.fixture(scope="module")
def judged():
    return run(field(), twin())


@pytest.fixture(scope="module")
def rows(judged):
    return judged[0]


@pytest.fixture(scope="module")
def paired():
    entries, rng = field(), np.random.default_rng(1)
    bps = {
        one.name: np.stack([attribute(costs, None)["is_bps"] for costs in one.runs])
        for one in entries
    }
    found = gains(
        ResampledScores.of(Scores(bps, entries[0].runs[0].cluster), rng), ["ppo", "mine"], {}, rng
    )
    return {
        name: {other: gain.estimate() for other, gain in row.items()} for name, row in found.items()
    }


def test_every_strategy_has_every_key_with_its_interval(rows):
    assert set(MEANINGS) == set(KEYS)
    for row in rows.values():
        assert tuple(row.json_fields()) == KEYS
        for key, cell in row.estimates.items():
            if key != "adaptability":
                assert cell.ci_low <= cell.mean <= cell.ci_high


def test_means_are_those_of_the_attribution(rows):
    for entry in field():
        parts = [attribute(costs, twin()) for costs in entry.runs]
        for key in parts[0]:
            expected = np.mean([part[key].mean() for part in parts])
            assert getattr(rows[entry.name], key).mean == pytest.approx(expected, abs=1e-9)
        risk = np.mean([part["is_bps"].std(ddof=1) for part in parts])
        assert rows[entry.name].timing_risk_bps.mean == pytest.approx(risk)


@pytest.mark.parametrize("answered", [True, False])
def test_the_parts_add_up_in_the_table(answered):
    for row in rows_of(field(60), twin(60) if answered else None).values():
        parts = [row.estimates[key].mean for key in PARTS if key in row.estimates]
        assert len(parts) == (5 if answered else 4)
        assert sum(parts) == pytest.approx(row.is_bps.mean, abs=1e-9)


def test_paired_differences_are_positive_when_cheaper_and_narrow(rows, paired):
    """Pairing takes out what all suffer."""
    assert set(paired) == {"ppo", "mine"}
    gain = paired["ppo"]["twap_take"]
    assert gain.ci_low > 0
    alone = rows["ppo"].is_bps
    assert gain.ci_high - gain.ci_low < 0.3 * (alone.ci_high - alone.ci_low)
    assert gain.mean == pytest.approx(rows["twap_take"].is_bps.mean - rows["ppo"].is_bps.mean)
    assert paired["mine"]["twap_take"].ci_high < 0
    assert set(paired["ppo"]) == {"immediate", "twap_take", "random", "mine"}


def test_each_training_seed_stands_by_itself(judged):
    seeds = judged[1]["ppo"]
    ours, theirs = field()[3].runs, field()[4].runs
    for seed, (cell, beaten) in enumerate(zip(seeds["mine"], seeds["random"], strict=True)):
        saved = attribute(theirs[seed], None)["is_bps"] - attribute(ours[seed], None)["is_bps"]
        assert cell.mean == pytest.approx(saved.mean())
        assert cell.ci_low > 0
        assert beaten.mean == pytest.approx(
            (
                attribute(field()[2].runs[0], None)["is_bps"]
                - attribute(ours[seed], None)["is_bps"]
            ).mean()
        )


def test_uncertain_displacement_widens_impact_and_timing_and_leaves_the_shortfall():
    costs = replace(make(300, 0), walk=np.zeros(300, np.int64), timing=np.zeros(300, np.int64))
    noisy = twin(300) + np.random.default_rng(0).integers(-300, 300, (300, GRID))
    row = rows_of([JudgedEntry("a", "baseline", (costs,))], noisy)["a"]
    error = 300 / np.sqrt(3) / np.sqrt(300) / MID2 * 1e4
    for key in ("impact_bps", "timing_bps"):
        assert row.estimates[key].ci_high - row.estimates[key].ci_low == pytest.approx(
            2 * 1.96 * error, rel=0.25
        )
    assert row.is_bps.ci_high == pytest.approx(row.is_bps.ci_low)


def test_displacement_is_that_of_the_episodes_that_ran_to_their_horizon() -> None:
    """The rest may hold anything on the grid: their lots count, their mids do not."""
    whole = make(300, 0, moved=40)
    some = np.arange(300) % 4 == 0
    grid = np.where(some[:, None], whole.mid2_grid, 0)
    part = replace(whole, mid2_grid=grid, run_out=some.astype(np.int64))
    moved = displacement(part, twin(300))
    assert moved == pytest.approx((whole.mid2_grid - twin(300))[some].mean(axis=0))
    row = rows_of([JudgedEntry("a", "baseline", (part,))], twin(300))["a"]
    mean_lots = (whole.lots_grid / whole.denominator[:, None]).mean(axis=0)
    walk = (whole.walk / whole.denominator).mean()
    assert row.impact_bps.mean == pytest.approx(1e4 * (walk + (mean_lots * moved).sum()))
    assert row.is_bps == rows_of([JudgedEntry("a", "baseline", (whole,))], twin(300))["a"].is_bps
    assert attribute(part, twin(300))["impact_bps"].mean() == pytest.approx(row.impact_bps.mean)
    with pytest.raises(TercelError, match="ran to their horizon"):
        displacement(replace(part, run_out=0 * part.run_out), twin(300))


def test_json_of_a_row_is_plain_and_comes_back(rows):
    for row in rows.values():
        data = to_jsonable(row)
        assert json.loads(json.dumps(data, allow_nan=False)) == data
        assert CostRow.from_json(data) == row


def test_without_a_twin_impact_is_null_and_says_why():
    rows = rows_of(field(40), None)
    assert to_jsonable(rows["twap_take"])["impact_bps"] is None
    assert any("impact is not available" in note for note in notes_on(field(40)))
    first = attribute(field(40)[0].runs[0], None)
    assert rows["immediate"].spread_bps.mean == pytest.approx(first["spread_bps"].mean())


def test_few_clusters_one_cluster_and_one_seed_are_said():
    few = notes_on(field(40, clusters=np.arange(40) // 4), twin(40))
    assert any("under 20 clusters (10)" in note for note in few)
    one = [JudgedEntry("a", "baseline", (make(9, 0, clusters=np.zeros(9, np.int64)),))]
    assert rows_of(one)["a"].is_bps.ci_low is None
    assert any("no intervals" in note for note in notes_on(one))
    single = notes_on(
        [
            JudgedEntry("a", "baseline", (make(30, 0),)),
            JudgedEntry("dqn", "learned", (make(30, 0),)),
        ]
    )
    assert any("one training seed" in note for note in single)
    assert not any(
        "training seed" in note or "clusters" in note for note in notes_on(field(), twin())
    )


def test_unfilled_and_double_filled_lots_are_counted():
    costs = make(30, 0, forced=20)
    costs = replace(
        costs,
        unfilled_lots=np.full(30, 5),
        lots_filled=np.full(30, QTY - 5),
        passive_lots=np.zeros(30, np.int64),
        double_lots=np.full(30, 2),
        messages=np.arange(30),
    )
    entry = JudgedEntry("a", "baseline", (costs,))
    notes = notes_on([entry])
    assert to_jsonable(count_lots(entry)) == {
        "unfilled_lots": 150,
        "unfilled_share": 0.05,
        "forced_share": 0.2,
        "double_filled_share": 0.02,
        "messages_per_order": 14.5,
    }
    assert sum("a 5.00%" in note or "a 2.00%" in note for note in notes) == 2
    assert any("ran out: unfilled are a 5 %" in note for note in notes)


def test_lots_that_found_nobody_forbid_a_rank_and_a_verdict_above_a_tenth():
    """37 % is priced by a rule: the cheapest figure stands last, and no comparison with it has a p-value."""
    short = replace(
        make(200, -50, forced=50),
        unfilled_lots=np.full(200, 37),
        lots_filled=np.full(200, QTY - 37),
        passive_lots=np.zeros(200, np.int64),
    )
    plain = {"b": make(200, 80, seed=1), "c": make(200, 20, seed=2)}
    rows = rows_of(
        [JudgedEntry(name, "baseline", (one,)) for name, one in {"a": short, **plain}.items()]
    )
    assert rows["a"].is_bps.mean < rows["c"].is_bps.mean
    found = Scores.of({"a": short, **plain}, {})
    assert set(found.unranked) == set(found.select(np.arange(50)).unranked) == {"a"}
    ledger, rng = ComparisonLedger(), np.random.default_rng(0)
    cells = compare(found, ["a", "c"], {}, ledger, rng)[0].paired
    assert ledger.adjust() == 1
    assert cells["a"]["b"].p_adjusted is cells["c"]["a"].p_adjusted is None
    assert cells["c"]["b"].p_adjusted is not None


def test_a_candidate_that_trades_as_another_is_named():
    same, other = make(30, 5), make(30, 5, seed=7)
    names = {
        "guarded": "baseline",
        "default": "learned",
        "twap_take": "baseline",
        "copy": "baseline",
    }
    costs = {"guarded": same, "default": same, "twap_take": other, "copy": same}
    notes = notes_on([JudgedEntry(name, kind, (costs[name],)) for name, kind in names.items()])
    alike = [note for note in notes if note.startswith("Exactly alike")]
    assert alike == [
        f"Exactly alike: {one} and {two} had the same fills in every episode."
        for one, two in (("guarded", "default"), ("default", "copy"))
    ], "two rules that are one are no finding on a candidate"


def test_adaptability_is_averaged_over_seeds():
    def response(within):
        return Response(
            np.arange(30), np.ones(30), np.full(30, within), np.zeros((30, 6)), np.ones(30)
        )

    entries = field(30)
    entries[3] = replace(entries[3], responses=tuple(response(share) for share in (0.2, 0.3, 0.4)))
    entries[0] = replace(entries[0], responses=(replace(response(0.5), rows=np.zeros(30)),))
    table = rows_of(entries)
    assert table["ppo"].adaptability.mean == pytest.approx(0.3)
    assert table["ppo"].adaptability.ci_low < 0.3 < table["ppo"].adaptability.ci_high
    assert table["twap_take"].adaptability is None
    assert table["immediate"].adaptability is None


@given(st.integers(0, 2**32 - 1))
def test_the_same_seed_judges_alike_and_a_new_row_changes_no_old_one(seed):
    entries = field(25)[:2]
    once, again = run(entries, seed=seed), run(entries, seed=seed)
    assert once == again
    more = rows_of([*entries, JudgedEntry("pov", "baseline", (make(25, 5, seed=9),))], seed=seed)
    for name, row in once[0].items():
        assert more[name] == row


def overflowing(costs):
    return replace(costs, overflow=np.eye(1, len(costs), 7, dtype=np.int64)[0])


@pytest.mark.parametrize(
    ("entries", "error", "message"),
    [
        ([JudgedEntry("ppo", "learned", (make(9, 0),))], ConfigError, "at least one rule"),
        ([JudgedEntry("a", "baseline", (make(9, 0),))] * 2, ConfigError, "different names"),
        ([JudgedEntry("a", "baseline", ())], ConfigError, "at least one run"),
        *(
            (
                [
                    JudgedEntry("a", "baseline", (make(9, 0),)),
                    JudgedEntry("b", "baseline", (other,)),
                ],
                ConfigError,
                "same episodes",
            )
            for other in (make(8, 0), replace(make(9, 0), arrival_mid2=np.full(9, 4)))
        ),
        (
            [JudgedEntry("pov", "baseline", (replace(make(9, 0), unfilled_lots=np.full(9, 3)),))],
            TercelError,
            "pov, episode 0",
        ),
        (
            [JudgedEntry("twap_take", "baseline", (overflowing(make(20, 0)),))],
            CapacityError,
            "no overflow in a judged run; received 1 in twap_take, the first in episode 7",
        ),
    ],
)
def test_what_cannot_be_judged_is_refused(entries, error, message):
    with pytest.raises(error, match=message):
        run(entries)


def test_intervals_stay_within_what_a_key_can_be():
    cut = clip_to_range("passive_share", Estimate(0.9, 0.4, 1.3))
    assert (cut.mean, cut.ci_low, cut.ci_high) == (0.9, 0.4, 1.0)
    assert clip_to_range("timing_risk_bps", Estimate(2.0, -1.0, 5.0)).ci_low == 0.0
    assert clip_to_range("is_bps", Estimate(2.0, -1.0, 5.0)).ci_low == -1.0


def test_the_correlation_of_paired_costs_is_said() -> None:
    """The median over pairs of written strategies, as NumPy has it; nothing with one strategy alone."""
    entries = field()
    costs = [
        entry.runs[0].shortfall / entry.runs[0].denominator
        for entry in entries
        if entry.kind == "baseline"
    ]
    assert paired_correlation(entries) == pytest.approx(np.corrcoef(costs)[0, 1])
    assert paired_correlation(entries[:1]) is None
    assert paired_correlation(field(2)) is None


# -- sections of the page ---------------------------------------------------------------------------------------------


def test_what_it_cost_and_when_it_traded_have_a_row_and_a_picture_each() -> None:
    costs = {entry.name: entry.runs for entry in field(60)}
    known = {name: row.estimates for name, row in rows_of(field(60), twin(60)).items()}
    section = composition(costs, known, "twap_take", ["ppo", "twap_take"])
    assert all(name in section.html for name in costs)
    assert len(section.figures) == 2
    assert "ppo" in section.figures[1].svg
    grid_s = np.arange(GRID) * 360.0
    assert len(timing(costs, twin(60), grid_s).figures) == 2
    assert len(timing(costs, None, grid_s).figures) == 1, "nothing moved where nothing answers"


def test_facts_are_told_in_words() -> None:
    told = order_facts(Task(share=None, quantity=500, side="buy").to_dict())
    assert told["order"] == "500 lots"
    assert not {"grid_points", "a_ns", "clock"} & set(told)


def test_left_to_do_falls_where_lots_were_filled() -> None:
    share = remaining_shares(make(3, 0, forced=25))
    assert share[0].tolist() == [1.0, 1.0, 1.0, 0.25, 0.25]
    assert QTY == 100


def test_distribution_counts_wins_and_the_worst() -> None:
    cheap, dear = make(40, 0, seed=1), make(40, 60, seed=2)
    row = distribution_row("a", (dear,), (cheap,))
    assert row[0] == "a"
    assert row[1] <= row[2] <= row[3] <= row[4]
    assert row[5] == 0.0
    assert distribution_row("b", (cheap,), (dear,))[5] == 1.0
    same = (cheap,)
    assert distribution_row("c", same, same)[5] is None
