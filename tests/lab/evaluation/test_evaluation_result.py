"""The JSON of an evaluation: read back as it was written, older files too, and said in a line."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from tercel.lab.evaluation.pipeline.evaluation_record import EvaluationRecord
from tercel.lab.evaluation.pipeline.judged_tables import judged_table, run_table
from tercel.lab.evaluation.pipeline.page import headline, lead_text
from tercel.lab.evaluation.pipeline.sentences import QUICK

COST = {"mean": 2.0, "ci_low": 1.0, "ci_high": 3.0}
GAIN = {"mean": 1.0, "ci_low": 0.2, "ci_high": 1.8, "p_adjusted": 0.01, "power": 0.5}
KINDS = {"mine": "own", "pov": "baseline", "twap_take": "baseline", "random": "random"}
KEYS = ("spread_bps", "timing_bps", "forced_bps", "fees_bps", "timing_risk_bps", "passive_share")
OTHERS = [name for name in KINDS if name != "mine"]
NOTHING: dict[str, Any] = {
    key: {}
    for key in (
        "policies",
        "recipes",
        "by_market_and_regime",
        "by_liquidity",
        "ratios",
        "pooled",
        "iqm",
        "sensitivity",
    )
} | {"assumptions": None, "passive_impact": 1.0}


def written() -> dict[str, Any]:
    """An evaluation of one market, as the command writes it."""
    row = {"is_bps": COST, **dict.fromkeys(KEYS, COST), "impact_bps": None, "adaptability": None}
    paired = {"mine": dict.fromkeys(OTHERS, GAIN)}
    cell = {"episodes": 40, "is_bps": dict.fromkeys(KINDS, COST), "paired": paired}
    few = {"episodes": 5, "is_bps": None, "paired": None}
    against = {
        "any_markets": None, "these_markets": None, "by_market": {"thin": GAIN}, "by_regime": {},
        "by_market_and_regime": {},
    }  # fmt: skip
    told = {"above": dict.fromkeys(OTHERS, 1.0), "open": {}, "below": {}}
    words = "significantly cheaper than 3 of 3 and more expensive than none; no significant difference from none"
    claim = {
        "primary": {"random": {"opponents": {"thin": "random"}, "gain": GAIN}},
        "markets": ["thin"], "training_seeds": {"thin": 1}, "against": dict.fromkeys(OTHERS, against),
        "told": {"by_market": told}, "worse": [],
        "lowest": {"by_market": {"against": "pov", "in": "thin", **GAIN, "below_0": 0, "parts": 3}},
        "verdict": {"by_market": words},
    }  # fmt: skip
    counts = {
        "unfilled_lots": 0, "unfilled_share": 0.0, "forced_share": 0.1, "double_filled_share": 0.0,
        "messages_per_order": 12.5,
    }  # fmt: skip
    return {
        "strategies": dict.fromkeys(KINDS, row), "kinds": KINDS, "best_baseline": "pov",
        "paired_vs_best_baseline": {"mine": COST}, "paired": paired,
        "paired_by_seed": {"mine": {"pov": [COST]}}, "counts": dict.fromkeys(KINDS, counts), "episodes": 40,
        "clusters": 40, "seeds": [], "market": "thin", "task": {"side": 0}, "notes": [], "level": 0.95,
        "resamples": 2000, "cluster": "episode seed", "correlation": 0.5, "out": "runs/evaluate",
        "evaluation_seeds": [1], **NOTHING, "claims": {"mine": claim},
        "by_regime": {"plain": {**cell, "share_of_time": 1.0}, "turbulent": {**few, "share_of_time": 0.0}},
        "by_market": {"thin": {**cell, "best_baseline": "pov"}},
        "validation": {"best_baseline": "pov", "episodes": 20, "is_bps": dict.fromkeys(OTHERS, 2.0)},
        "sample_size": {
            "sd_bps": 20.0, "strategies": 3, "tried": 20, "judged": 40, "episodes_for_1_bps": 3140,
            "detectable_bps": 8.9, "words": "a difference of 1 bps needs some 3,140 orders",
        },
        "hindsight": {"label": "nobody", "is_bps": COST},
        "bars": {"thin": {"mine": {
            "is_bps": {"twap_take": {**COST, "denominator": COST}}, "impact_bps": {"twap_take": None},
            "timing_risk_bps": {}, "adaptability": {"vwap_passive": None},
        }}},
        "cvar95_bps": dict.fromkeys(KINDS, COST), "wins": {"mine": {"pov": COST}},
        "price_move_beta": {key: {"mean": None, "ci_low": None, "ci_high": None} for key in KINDS},
        "by_side": {key: {"buy": 2.0, "sell": 2.0} for key in KINDS},
        "adaptability_vs": {"mine": {"vwap_passive": None}}, "power": {"mine": dict.fromkeys(OTHERS, 0.5)},
        "deflated": {"mine": None}, "adaptation": {}, "comparisons": 3, "checks": ["Sides: 20 buys and 20 sells."],
        "apart": None,
        "bound": None,
        "by_bound": {},
    }  # fmt: skip


def test_what_was_written_comes_back() -> None:
    found = EvaluationRecord.from_json(written())
    assert json.loads(json.dumps(found.to_json())) == written()
    assert next(judged_table(found).sentences()).startswith("mine: cheaper than pov")


def test_the_table_of_a_run_is_short_and_holds_gains_over_what_agents_are_made_of() -> None:
    plain = EvaluationRecord.from_json(written())
    assert run_table(plain).benchmark_label == plain.best_baseline, "guarded was not judged"
    text = json.dumps(written() | {"notes": ["The order: 10 % of the volume, 5 shares."]})
    table = run_table(EvaluationRecord.from_json(json.loads(text.replace("twap_take", "guarded"))))
    assert (table.benchmark_label, table.title) == ("guarded", "thin, 10 % of the volume, 5 shares")
    first, *_, last = table.sentences()
    gain = "(gain +1.00 [+0.20, +1.80] bps)"
    assert first == f"mine: cheaper than guarded {gain}, cheaper than pov {gain}."
    assert last.startswith("bps of the order's value")
    console = Console(width=80)
    with console.capture() as shown:
        console.print(table)
    lines = shown.get().splitlines()
    assert next(line for line in lines if line.startswith(" mine ")).count("[") == 2
    assert any("vs guarded" in line for line in lines)
    assert len(lines) <= 25


def test_a_file_of_before_opens() -> None:
    older = {key: value for key, value in written().items() if key != "apart"} | {"handed_over": {}}
    older["learned_saves"] = {"mine": COST}
    assert EvaluationRecord.from_json(older) == EvaluationRecord.from_json(written())


@pytest.mark.parametrize("data", [{}, {"strategies": 3}, {**written(), "claims": {"mine": {}}}])
def test_something_else_is_no_evaluation(data: dict[str, Any]) -> None:
    with pytest.raises((TypeError, AttributeError)):
        EvaluationRecord.from_json(data)


def test_the_best_candidates_have_the_sentences_and_the_others_are_counted() -> None:
    """Five of one class, given worst first; the means of two are equal, one has none."""
    names, text = ["s4", "s3", "s2", "s1", "s0"], json.dumps(written())
    means = [-3.0, float("nan"), 1.0, 2.0, 1.0]
    found = EvaluationRecord.from_json(json.loads(text))

    def for_each(row: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **{key: one for key, one in row.items() if key != "mine"},
            **dict.fromkeys(names, row["mine"]),
        }

    gains = {
        name: {other: replace(one, mean=mean) for other, one in found.paired["mine"].items()}
        for name, mean in zip(names, means, strict=True)
    }
    five = replace(
        found,
        paired=gains,
        **{
            key: for_each(getattr(found, key))
            for key in ("claims", "strategies", "kinds", "counts")
        },
    )
    assert five.reported_rows == ["s1", "s2", "s0", "s4", "s3"]
    said = list(judged_table(five).sentences())
    assert [line.partition(":")[0] for line in said[:3]] == ["s1", "s2", "s0"]
    assert "These are the best 3 candidates, and 2 more cost more: s4, s3." in said
    assert lead_text(five).startswith("s1 costs")
    read = lead_text(five, 1e6)
    assert [read.index(f"{name} costs") for name in five.reported_rows] == sorted(
        read.index(f"{name} costs") for name in names
    ), "all of them, best first"
    assert "bps, or 200 in the currency of the prices an order of 1,000,000. s2" in read
    assert headline(five).startswith("s1, s2, s0, s4, s3: cheaper than pov")


def test_no_verdict_is_on_what_found_nobody() -> None:
    note = "The depth of the book, or the limit price, ran out: unfilled are pov 37 %."
    found = replace(EvaluationRecord.from_json(written()), notes=(note,))
    left = replace(found.counts["pov"], unfilled_share=0.37)
    for short, rest in (("mine", "pov costs"), ("pov", "")):
        one = replace(found, counts={**found.counts, short: left})
        assert one.reported_rows == []
        assert one.ranked[-1] == short
        table = judged_table(one)
        assert next(table.sentences()) == note
        assert not any("cheaper" in line for line in table.sentences())
        assert lead_text(one).startswith(f"{note} {rest}".rstrip())
        assert run_table(one).notes == [note]
    assert headline(one) == "No verdict: too many lots of pov found no counterparty"


def test_the_answer_names_who_was_cheaper() -> None:
    found = EvaluationRecord.from_json(written())
    assert headline(found) == "mine: cheaper than pov, the best of 2 rules"
    quick = replace(found, notes=(QUICK,))
    assert headline(quick) == "A quick run: too few episodes to judge by; a look, not a judgement"
