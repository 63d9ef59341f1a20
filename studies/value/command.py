"""`python -m studies worth`: the value of a forecast and of a posture in bps."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from studies.value.alpha import Drifted, model_gain, plant, value_of
from studies.value.posture import DESIGNS, Watch, figures, onset_of, run_watched, usual
from studies.value.report import (
    ALPHA_HEADINGS,
    POSTURE_LINE,
    alpha_cells,
    alpha_page,
    posture_line,
    posture_page,
)
from studies.value.stress import Turn, measure
from tercel import Task
from tercel.cli import print_json, result_console, say
from tercel.core import write_atomic
from tercel.execution import Parameters, Strategy
from tercel.execution.policies_packaged import build_named
from tercel.execution.strategies import MarketEstimates
from tercel.lab.evaluation import pilot, seeded_plan, streams_plan
from tercel.market.flow import registry as presets
from tercel.market.simulator import Source, reactive

ALPHA_STRATEGIES = (
    "almgren_chriss_alpha",
    "cartea_jaimungal",
    "submit_and_leave+alpha",
    "default+alpha",
)
POSTURE_STRATEGIES = ("twap_take", "pov", "submit_and_leave", "peg_behind", "default")
RHOS = (0.0, 0.25, 0.5, 1.0)
LEAN = 0.05
TRAINING_SEED = -7
CALM_EPISODES = 256
OBSERVED_SEED = 2_026
OBSERVED_EPISODES = 256


def alpha(
    *,
    market: str,
    episodes: int,
    seed: int,
    lean: float = LEAN,
    rhos: Sequence[float] = RHOS,
    strategies: Sequence[str] = ALPHA_STRATEGIES,
    out: Path | None = None,
    as_json: bool = False,
) -> int:
    """`python -m studies worth alpha`: gain of each strategy from forecasts of known skill about a planted drift."""
    source, task, quantity, estimates = _market(market)
    drifted = plant(
        source, task, quantity, lean=lean, seed=seed, episodes=episodes, pilot_seed=TRAINING_SEED
    )
    say(
        f"planted: {50 + 100 * lean:g} % of market orders buy (or sell); moves the mid by {drifted.drift_bps:.1f} "
        f"+- {1.96 * drifted.drift_se_bps:.1f} bps in {task.horizon_s / 60:g} minutes, of a standard deviation of "
        f"{drifted.sd_bps:.0f} bps"
    )
    known = Parameters(sigma=estimates.sigma, eta=estimates.eta, epsilon=estimates.spread / 2)

    def model(strategy: Strategy, on: Drifted, forecast: NDArray[np.float64]) -> float:
        return model_gain(strategy, on, forecast, known)

    takers = ("almgren_chriss_alpha", "cartea_jaimungal")
    rows = value_of(
        drifted,
        [build_named(name, estimates) for name in strategies],
        rhos,
        seed=seed,
        models=dict.fromkeys(takers, model),
        progress=lambda name: say(f"  {name}"),
    )
    facts = {"market": market, "episodes": episodes, "seed": seed, "lean": lean}
    _write(out, alpha_page(drifted, rows, facts, "reprint: python -m studies worth alpha"))
    if as_json:
        found = {
            "drift_bps": drifted.drift_bps,
            "drift_se_bps": drifted.drift_se_bps,
            "sd_bps": drifted.sd_bps,
        }
        print_json({**facts, **found, "rows": [dataclasses.asdict(row) for row in rows]})
    else:
        title = f"{market}: what a forecast is worth, {episodes} paired episodes, bps"
        result_console().print(
            _table(title, ALPHA_HEADINGS, alpha_cells(rows), {"strategy", "read"})
        )
    return 0


def posture(
    *,
    market: str,
    episodes: int,
    seed: int,
    strategies: Sequence[str] = POSTURE_STRATEGIES,
    designs: Sequence[str] = tuple(DESIGNS),
    out: Path | None = None,
    as_json: bool = False,
) -> int:
    """`python -m studies worth posture`: tail and mean cost with and without one, in calm and when the market turns."""
    source, task, quantity, estimates = _market(market)
    calm = streams_plan(task, quantity, TRAINING_SEED, 0, CALM_EPISODES)
    turn, onset, ordinary = Turn(), onset_of(), usual(source, task, calm)
    effects = measure(source, task, calm, turn, 20, (2, 6, 20, 40))
    for e in effects:
        say(
            f"{e.from_s:4.0f} to {e.to_s:4.0f} s after the turn: depth x{e.depth:.2f}, volatility x{e.volatility:.2f}, "
            f"spread x{e.spread:.2f}, volume x{e.volume:.2f}, one-sided {100 * e.one_sided:.1f} %"
        )
    plan = seeded_plan(task, quantity, seed, 0, episodes)
    rows = []
    for name in strategies:
        plain, capped = build_named(name, estimates), build_named(f"{name}+posture", estimates)
        for stressed in (None, turn):
            without = run_watched(
                source, task, plan, plain, turn=stressed, onset=onset, watch=None
            ).costs
            for design in designs:
                watch = partial(Watch, ordinary, DESIGNS[design]())
                run = run_watched(
                    source, task, plan, capped, turn=stressed, onset=onset, watch=watch
                )
                rows.append(figures(name, design, stressed is not None, without, run, seed=seed))
        say(f"  {name}")
    facts = {"market": market, "episodes": episodes, "seed": seed}
    _write(out, posture_page(effects, rows, facts, "reprint: python -m studies worth posture"))
    if as_json:
        turned = [dataclasses.asdict(effect) for effect in effects]
        print_json({**facts, "turn": turned, "rows": [dataclasses.asdict(row) for row in rows]})
    else:
        for after, when in ((False, "calm"), (True, "the market turns in mid-order")):
            title = f"{market}, {when}: {episodes} paired episodes, bps"
            cells = [posture_line(row) for row in rows if row.stressed == after]
            result_console().print(_table(title, POSTURE_LINE, cells, {"strategy", "risk state"}))
    return 0


def _table(
    title: str, headings: Sequence[str], rows: Sequence[tuple[str, ...]], words: set[str]
) -> Table:
    table = Table(title=title, box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in words else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _write(out: Path | None, page: str) -> None:
    """The page to `out`, whole or not at all."""
    if out is None:
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, page)
    say(f"report    {out}")


def _market(name: str) -> tuple[Source, Task, int, MarketEstimates]:
    """A preset's market, the default task, its order, and what strategies may know from training episodes."""
    preset, task = presets.load(name), Task()
    source, quantity = reactive(preset), task.lots(preset.volume_per_s)
    known = pilot(source, task, streams_plan(task, quantity, TRAINING_SEED, 0, CALM_EPISODES))
    return source, task, quantity, known
