"""``python -m studies desk-day``: a desk's arrows in a day in which each has something to do, and where none has.

Five grounds for the shares by context: the example `regime.toml`, three changes of flow that a seed draws, and a day
without any. There the desk is set beside each of its agents alone. Two grounds for all arrows: the example `day.toml`,
and the same without drift and changes, its score of noise alone (a martingale with shuffled forecasts).

A ceiling says what an arrow could save at most by what is planted:

- alpha: of what is asked for in a round a part may wait for the next one; with forecasts of correlation rho and rounds
  whose drift has standard deviation s, waiting for the better of two moments saves at most rho s E[max(z, 0)];
- trust: what wrong forecasts cost at most, alpha's ceiling over the rounds in which they mislead;
- context, haste, lean, feedback: each round of the day by the agent that is cheapest there, less the day by one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from studies.desk.experiment import (
    ARROWS,
    DESK,
    MORE_ARROWS,
    DeskRun,
    blind,
    by_variant,
    freezes,
    without,
)
from studies.desk.variants import run_variants
from studies.value.report import gain_text
from tercel.api.demo import DemoConfig, PlantedChange, read_config
from tercel.api.demo import ground_truth as planted
from tercel.cli import print_json, print_table, say
from tercel.core import write_whole
from tercel.core.report import Section, paired_differences, plain_table, render
from tercel.core.stats import Estimate, detectable_gain, holm, mean_interval, two_sided_p

EXAMPLES: Final = Path(__file__).parents[2] / "docs" / "examples"
DRAWN: Final = 3
"""Changes of flow that are drawn."""
EVERY: Final = (*ARROWS, *MORE_ARROWS)


@dataclass(frozen=True)
class Arrow:
    """What a desk saves by an arrow, against the same desk without it (or against an agent alone), bps.

    Parameters
    ----------
    ground, against : str
    saves : Estimate
        Mean and 95 % interval over seeds.
    t, p : float
        Paired by seed; p after Holm over the arrows of a ground.
    sd, smallest : float
        Of a seed's difference; the effect that so many seeds find 4 times in 5.
    ceiling : float or None
    """

    ground: str
    against: str
    saves: Estimate
    t: float
    p: float
    sd: float
    smallest: float
    ceiling: float | None = None


def drawn(config: DemoConfig, number: int, seed: int) -> DemoConfig:
    """The same desk in a day whose flow turns when and how a seed says: once, or back or over as well."""
    rng = np.random.default_rng([seed, 41, number])
    at, lean = round(rng.uniform(4, 14), 1), rng.choice([-1, 1]) * rng.uniform(0.2, 0.35)
    changes = [PlantedChange(at_round=at, buy_share=0.5 + lean)]
    if rng.random() < 0.5:
        later = round(at + rng.uniform(4, 8), 1)
        changes.append(PlantedChange(at_round=later, buy_share=0.5 - lean * rng.integers(0, 2)))
    return changed(config, changes)


def changed(
    config: DemoConfig, changes: Sequence[PlantedChange], drift: float | None = None
) -> DemoConfig:
    """The same desk with other changes planted in its markets."""
    more = {"change": tuple(changes)} | ({} if drift is None else {"drift": drift})
    return config.model_copy(
        update={"instrument": tuple(one.model_copy(update=more) for one in config.instrument)}
    )


def martingale(config: DemoConfig) -> DemoConfig:
    """The same desk where nothing is planted but a score of noise: what it forecasts does not come."""
    quiet = changed(config, (), drift=1e-9)
    return quiet.model_copy(
        update={"signals": config.signals.model_copy(update={"news": 0.0, "news_flips": 0})}
    )


def arrow_rows(
    ground: str, runs: Sequence[DeskRun], ceilings: Mapping[str, float] | None = None
) -> list[Arrow]:
    """A row a variant that the desk is set beside, paired by seed, with Holm's p over them."""
    costs = by_variant(runs)
    whole = costs.pop(DESK)
    found = []
    for against, cost in costs.items():
        saved = np.array([cost[seed] - whole[seed] for seed in whole])
        n, sd = len(saved), float(saved.std(ddof=1))
        error = sd / math.sqrt(n)
        t = float(saved.mean() / error) if error > 0 else 0.0
        cell = mean_interval(saved.tolist(), np.arange(n), np.random.default_rng(0))
        p = float(two_sided_p(t, n - 1)) if error > 0 else 1.0
        found.append(
            Arrow(
                ground,
                against,
                cell,
                t,
                p,
                sd,
                detectable_gain(error, n - 1),
                (ceilings or {}).get(against),
            )
        )
    adjusted = holm([row.p for row in found])
    return [replace(row, p=float(p)) for row, p in zip(found, adjusted, strict=True)]


def against_best(ground: str, runs: Sequence[DeskRun]) -> list[Arrow]:
    """The desk beside the agent that was best over all seeds, and beside itself without context."""
    costs = by_variant(runs)
    alone = {
        name: float(np.mean(list(cost.values())))
        for name, cost in costs.items()
        if name not in (DESK, "context")
    }
    best = min(alone, key=lambda name: alone[name])
    return arrow_rows(ground, [run for run in runs if run.variant in (DESK, "context", best)])


def ceilings_of(
    config: DemoConfig, runs: Sequence[DeskRun], alone: Sequence[DeskRun]
) -> dict[str, float]:
    """What each arrow could save at most, bps of everything asked for; see the module."""
    moves = np.array([run.moves_bps for run in runs if run.variant == DESK])
    seeds = [run.seed for run in runs if run.variant == DESK]
    truth = [planted(config.with_desk(seed=seed))[config.instrument[0].name] for seed in seeds]
    rounds, round_s = config.desk.rounds, config.desk.round_s
    lean = np.array([[_lean(one, n * round_s) for n in range(rounds)] for one in truth])
    slope = float((lean * moves).sum() / np.square(lean).sum()) if np.square(lean).sum() else 0.0
    drift = slope * config.instrument[0].drift * math.sqrt(2 / 3)
    waits = 1.0 - config.loop.sizing.least
    alpha = abs(config.signals.news) * drift * waits / math.sqrt(2 * math.pi)
    flips = config.signals.news_flips
    paths = np.array(
        [_by_round(name, alone) for name in sorted({run.variant for run in alone} - {DESK})]
    )
    context = float(paths.mean(axis=1).min() - paths.min(axis=0).mean())
    worst = float(paths.mean(axis=1).mean() - paths.mean(axis=1).min())
    shares = {"context": context, "haste": context, "lean": context, "feedback": worst + context}
    return {"alpha": alpha, "trust": alpha * (rounds - flips) / rounds if flips else 0.0, **shares}


def _lean(truth: Any, after_s: float) -> float:
    share = [one.buy_share for one in truth.regimes if one.after_s <= after_s][-1]
    return 2.0 * float(share) - 1.0


def _by_round(variant: str, runs: Sequence[DeskRun]) -> list[float]:
    """Mean cost of each round of an agent alone, from the path of what everything has cost so far."""
    path = np.mean([run.cost_path for run in runs if run.variant == variant], axis=0)
    return [float(cost) for cost in np.diff(path * np.arange(1, len(path) + 1), prepend=0.0)]


def run(seeds: int, seed: int, out: Path, as_json: bool) -> None:
    """Both tables; what is finished is kept in `out`."""
    out.mkdir(parents=True, exist_ok=True)
    each = range(seed, seed + seeds)
    regime, day = read_config(EXAMPLES / "regime.toml"), read_config(EXAMPLES / "day.toml")
    grounds = {"regime.toml": regime} | {
        f"drawn {n + 1}": drawn(regime, n, seed) for n in range(DRAWN)
    }
    grounds["stable"] = changed(regime, ())
    rows, pooled = list[Arrow](), list[DeskRun]()
    for name, config in grounds.items():
        variants = freezes(config) | {"context": blind(config)}
        done = run_variants(variants, each, out / f"{name.replace(' ', '-')}.jsonl", name)
        rows += against_best(name, done)
        if name.startswith("drawn"):
            shift = int(name.split()[1]) * 1_000_000
            best = rows[-2].against if rows[-1].against == "context" else rows[-1].against
            pooled += [
                replace(
                    one,
                    seed=one.seed + shift,
                    variant="best alone" if one.variant == best else one.variant,
                )
                for one in done
                if one.variant in (DESK, "context", best)
            ]
    rows[2 * (1 + DRAWN) : 2 * (1 + DRAWN)] = arrow_rows(f"drawn 1 to {DRAWN}", pooled)
    arrows = list[Arrow]()
    for name, config in {"day.toml": day, "martingale": martingale(day)}.items():
        variants = {DESK: config} | {arrow: without(config, arrow) for arrow in EVERY}
        done = run_variants(variants, each, out / f"arrows-{name}.jsonl", name)
        ceilings = None
        if config is day:
            alone = run_variants(
                freezes(day), each, out / f"alone-{name}.jsonl", f"{name}, agents alone"
            )
            ceilings = ceilings_of(day, done, alone)
        arrows += arrow_rows(name, done, ceilings)
    _tell(rows, arrows, seeds, seed, out, as_json)


HEADINGS: Final = (
    "ground",
    "against",
    "saves, bps",
    "t",
    "p, Holm",
    "sd",
    "found 4 in 5",
    "ceiling",
)


def _cells(row: Arrow) -> tuple[str, ...]:
    saves = gain_text(row.saves)
    ceiling = "" if row.ceiling is None else f"{row.ceiling:.1f}"
    return (
        row.ground,
        row.against,
        saves,
        f"{row.t:.1f}",
        f"{row.p:.3f}",
        f"{row.sd:.1f}",
        f"{row.smallest:.1f}",
        ceiling,
    )


def _tell(
    rows: Sequence[Arrow], arrows: Sequence[Arrow], seeds: int, seed: int, out: Path, as_json: bool
) -> None:
    facts = {"seeds": seeds, "seed": seed}
    titles = ("The desk, by the flow's lean", "Each arrow cut")
    sections = []
    for title, table in zip(titles, (rows, arrows), strict=True):
        figure = paired_differences(
            {f"{x.ground}: {x.against}": x.saves for x in table}, "without it", title.split()[0]
        )
        sections.append(
            Section(title, html=plain_table(HEADINGS, [_cells(x) for x in table]), figures=[figure])
        )
    lead = "What a desk saves against the same desk without an arrow of its loop, or against its best agent alone."
    write_whole(
        out / "desk-day.html",
        render("Arrows of a desk's loop", lead, sections, facts, "python -m studies desk-day"),
    )
    if as_json:
        print_json(
            {**facts, "context": [asdict(x) for x in rows], "arrows": [asdict(x) for x in arrows]}
        )
        return
    print_table(
        "the desk that follows the flow's lean, against",
        HEADINGS[:-1],
        [_cells(x)[:-1] for x in rows],
    )
    print_table("each arrow of the loop cut", HEADINGS, [_cells(x) for x in arrows])
    quiet = [x for x in arrows if x.ground == "martingale" and x.p < 0.05]
    told = ", ".join(x.against for x in quiet) if quiet else "no arrow"
    say(
        f"Where nothing can be known, {told} differs from 0 after Holm. The page: {out / 'desk-day.html'}."
    )
