"""``python -m studies flow --choose``: what weights save on a symbol that neither they nor their forecaster ever saw."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studies.tape import choose, flow
from studies.tape.flow_command import POOLED, judged_of
from tercel.cli import print_json, print_table, say
from tercel.core import ConfigError, Estimate
from tercel.core.report import spelt
from tercel.lab.evaluation import Scores
from tercel.signals.flow.train import steps

LACKING = tuple(f"without {name}" for name in choose.GRID)
PAIRS = {
    "chosen": (choose.CHOSEN, flow.BASE),
    "less placebo": (choose.CHOSEN, flow.PLACEBO),
    "theory": (choose.THEORY, flow.BASE),
    "what ships": (choose.SHIPS, flow.BASE),
    "chosen less what ships": (choose.CHOSEN, choose.SHIPS),
}
"""What is printed of each symbol: who saves, and on whom."""


def run(
    lakes: Sequence[Path], symbols: Sequence[str], bounds: Sequence[str], seed: int, as_json: bool
) -> None:
    """Print what each choice chose, what that saves where it was not chosen, and what each number is worth there."""
    days, homes, judged = judged_of(lakes, symbols)
    if len(judged) < 3:
        raise ConfigError(
            f"three symbols of {flow.LEAST_DAYS} days or more: one is left out, and of the two that choose one is learned on",
            ", ".join(judged),
            "name lakes of more symbols with --lake",
        )
    with TemporaryDirectory() as kept, steps("choosing and judging", len(judged) + 1) as step:

        @cache
        def model(of: Sequence[str]) -> str:
            return flow.learned({one: days[one] for one in of}, Path(kept) / "-".join(of), seed)

        @cache
        def ground(symbol: str, bound: str) -> Any:
            return flow.ground(homes[symbol], symbol, bound)

        found = found_of(choose.Bench(ground, model, tuple(days), bounds), judged, step)
    if as_json:
        print_json(found)
    else:
        _print(found)


def found_of(
    bench: choose.Bench, judged: Sequence[str], step: Callable[[], None]
) -> dict[str, Any]:
    """What each symbol's choice is and saves, and what all of them choose together."""
    choices: dict[str, Any] = {}
    rules: dict[str, choose.Rule] = {}
    for out in (*judged, POOLED):
        others = [one for one in judged if one != out]
        rule, tried = choose.chosen(bench, others, () if out == POOLED else (out,))
        choices[out] = {"rule": rule._asdict(), "tried": [_tried(one) for one in tried]}
        rules[out] = rule
        step()
    saves = {}
    for bound in bounds_of(bench):
        at = [bound] if bound in bench.bounds else list(bench.bounds)
        parts = {one: bench.scores(choose.judged(rules[one]), one, at) for one in judged}
        saves[bound] = [
            row_of(symbol, scores)
            for symbol, scores in [*parts.items(), (POOLED, flow.joined(list(parts.values())))]
        ]
    return {"candidates": len({key[0] for key in bench.known}), "choices": choices, "saves": saves}


def bounds_of(bench: choose.Bench) -> tuple[str, ...]:
    """Every bound, and their mean where there are several."""
    return (*bench.bounds, "mean") if len(bench.bounds) > 1 else tuple(bench.bounds)


def row_of(symbol: str, scores: Scores) -> dict[str, Any]:
    """The figures of a symbol that chose nothing."""
    return {
        "symbol": symbol,
        "orders": len(scores.cluster),
        "bps": scores.means(),
        "saves": {name: flow.saved(scores, *pair).to_json() for name, pair in PAIRS.items()},
        "worth": {name: flow.saved(scores, choose.CHOSEN, name).to_json() for name in LACKING},
    }


def _tried(step: choose.Step) -> dict[str, Any]:
    saves = step.saves.times(100.0).to_json()
    return {**step.to._asdict(), "saves": saves, "least": 100.0 * step.least, "taken": step.holds}


def _print(found: Mapping[str, Any]) -> None:
    names = list(choose.GRID)
    print_table(
        "What the other symbols choose, in usual half spreads; all: what would ship",
        ("left out", *names, "steps tried"),
        [
            (out, *(_spelt(one["rule"][name]) for name in names), str(len(one["tried"])))
            for out, one in found["choices"].items()
        ],
    )
    for bound, rows in found["saves"].items():
        print_table(
            f"{bound}: saved against guarded, bps, on the symbol that was left out",
            ("symbol", "orders", "guarded, bps", *PAIRS),
            [
                (
                    row["symbol"],
                    f"{row['orders']:,}",
                    f"{row['bps'][flow.BASE]:.2f}",
                    *(spelt(Estimate.of(row["saves"][name]), "+") for name in PAIRS),
                )
                for row in rows
            ],
        )
        print_table(
            f"{bound}: what each number is worth there, bps",
            ("symbol", *LACKING),
            [
                (row["symbol"], *(spelt(Estimate.of(row["worth"][name]), "+") for name in LACKING))
                for row in rows
            ],
        )
    say(f"{found['candidates']} strategies were run. Intervals are 95 %, over days.")


def _spelt(value: float | None) -> str:
    return "never" if value is None else f"{value:g}"
