"""`python -m studies transfer`: the recipe `default`, trained without one market and judged in that one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import tercel as tc
from tercel.cli import print_json, print_table, say
from tercel.core import ConfigError, check_known
from tercel.core.report import Section, fixed, paired_differences, plain_table, render, spelt
from tercel.core.stats import Estimate, PairedGain
from tercel.lab.evaluation import BEST, RANDOM
from tercel.lab.learning.agent import AgentConfig, preset_file, read_config, run_training
from tercel.lab.learning.agent.training import POLICY, claim, is_done

HEADINGS = (
    "left out",
    "judged in",
    "cost",
    "rested",
    "forced",
    "best rule",
    "its cost",
    "saves",
    "could tell",
    "on random",
)
LEAVES = ("could tell", "its cost", "rested", "forced")
REPORT = "transfer.html"
RECIPE: Final = "default"
AGAINST: Final = (
    "twap_repeg",
    "peg_touch",
    "score_rule",
    "popv",
    "twap_cross",
    "twap_take",
    "vwap_take",
    "random",
)
QUICK_FRAMES: Final = 16_384
QUICK_EPISODES: Final = 64


@dataclass(frozen=True)
class Transfer:
    """One line of the table: an agent in a market that it never met.

    Parameters
    ----------
    left_out, judged_in : str
    is_bps : Estimate
        Mean implementation shortfall over training seeds and episodes, with its interval.
    passive_share, forced_share : float
        Shares of its lots that rested until they were filled, and that were left to the horizon.
    best_written : str
        The written strategy that was best on validation episodes of the market judged in.
    written_bps : float
        Its mean.
    gain_bps, on_random_bps : PairedGain
        What the agent saves against it, and against `random`, paired; positive is better; `power` is the true gain
        that would have been found with 80 % power.
    """

    left_out: str
    judged_in: str
    is_bps: Estimate
    passive_share: float
    forced_share: float
    best_written: str
    written_bps: float
    gain_bps: PairedGain
    on_random_bps: PairedGain


def transfer(
    *,
    left_out: Sequence[str],
    lake: Path | None,
    impact: str,
    seeds: int,
    frames: int,
    episodes: int,
    quick: bool,
    seed: int,
    out: Path,
    as_json: bool,
) -> int:
    """Train without each of `left_out`, judge there and on its tape; see the module."""
    recipe = read_config(preset_file(RECIPE))
    if quick:
        few = recipe.validation.model_copy(update={"episodes": QUICK_EPISODES})
        recipe = recipe.model_copy(update={"validation": few})
    for name in left_out:
        check_known(name, recipe.market.presets, said=f"market {name!r} of the recipe")
    names = left_out or recipe.market.presets
    places = {name: _places(name, lake, impact) for name in names}
    if lake is not None and not any(
        place.endswith("tape") for these in places.values() for place in these
    ):
        raise ConfigError(
            f"a lake with two days of {', '.join(names)}",
            f"no days in {lake}",
            "name another --tape",
        )
    lines = []
    for name in names:
        config = without(recipe, name, QUICK_FRAMES if quick else frames)
        policies = [_policy(config, seed + number, out) for number in range(seeds)]
        for place, market in places[name].items():
            say(f"judge {config.name} in {place}")
            folder, most = (
                out / "judged" / place.replace(" ", "-"),
                QUICK_EPISODES if quick else episodes,
            )
            found = tc.evaluate([*policies, *AGAINST], market, episodes=most, seed=seed, out=folder)
            lines.append(line_of(name, place, policies[0] if seeds == 1 else config.name, found))
    page = out / REPORT
    page.write_text(_page(lines, seed, quick), encoding="utf-8")
    if as_json:
        print_json(
            {
                "seed": seed,
                "quick": quick,
                "impact": impact,
                "rows": [asdict(line) for line in lines],
            }
        )
    else:
        left = {"judged in", "best rule"}
        title = "Agents in markets that they never met, bps"
        print_table(title, HEADINGS, [_cells(line) for line in lines], leaves=LEAVES, left=left)
        say(f"report  {page}")
    return 0


def without(recipe: AgentConfig, name: str, frames: int) -> AgentConfig:
    """The recipe in its other markets.

    >>> from tercel.lab.learning.agent.config import parse
    >>> without(parse({"market": {"presets": ["csco", "ibm"]}}, ""), "ibm", 0).market.presets
    ('csco',)
    """
    kept = [(preset, weight) for preset, weight in _weighed(recipe) if preset != name]
    presets, weights = tuple(preset for preset, _ in kept), tuple(weight for _, weight in kept)
    market = recipe.market.model_copy(
        update={"presets": presets, "weights": weights if recipe.market.weights else ()}
    )
    learner = recipe.learner.model_copy(update={"frames": frames or recipe.learner.frames})
    return recipe.model_copy(
        update={"name": f"without_{name}", "market": market, "learner": learner}
    )


def _weighed(recipe: AgentConfig) -> list[tuple[str, float]]:
    section = recipe.market
    return list(zip(section.presets, section.weights or (1.0,) * len(section.presets), strict=True))


def _places(name: str, lake: Path | None, impact: str) -> dict[str, tc.Market]:
    """Where an agent that never met `name` is judged: in simulation, and on tape where the lake has its symbol."""
    places = {name: tc.load_market(name)}
    symbol = name.upper()
    dates = (
        [day.date for day in tc.Lake(lake).list() if day.symbol == symbol]
        if lake is not None
        else []
    )
    if (
        lake is not None and len(dates) > 1
    ):  # the first quarter is for what rules may know, and for choosing the best
        places[f"{symbol} tape"] = tc.replay(
            lake, symbol, days=sorted(dates)[max(len(dates) // 4, 1) :], impact=impact
        )
    return places


def _policy(config: AgentConfig, seed: int, out: Path) -> str:
    """The folder of a policy; a training that has come to its end is not begun again."""
    folder = out / "trained" / f"{config.name}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    claim(folder, config, seed)
    if not is_done(folder):
        say(f"train {config.name}, seed {seed}")
        run_training(config, folder, seed)
    return str(folder / POLICY)


def line_of(left_out: str, place: str, agent: str, found: tc.Result) -> Transfer:
    """A line of the table: the primary comparisons of one evaluation."""
    rows = found.figures.strategies
    primary = found.figures.claims[agent].primary
    best = next(iter(primary[BEST].opponents.values()))
    return Transfer(
        left_out,
        place,
        rows[agent].is_bps,
        rows[agent].known["passive_share"].mean,
        found.figures.counts[agent].forced_share,
        best,
        rows[best].is_bps.mean,
        primary[BEST].gain,
        primary[RANDOM].gain,
    )


def _cells(line: Transfer) -> tuple[str, ...]:
    return (
        line.left_out,
        line.judged_in,
        spelt(line.is_bps),
        f"{line.passive_share:.0%}",
        f"{line.forced_share:.1%}",
        line.best_written,
        f"{line.written_bps:.2f}",
        spelt(line.gain_bps, "+"),
        fixed(line.gain_bps.power),
        spelt(line.on_random_bps, "+"),
    )


def _page(lines: Sequence[Transfer], seed: int, quick: bool) -> str:
    gains = {f"without {line.left_out}, in {line.judged_in}": line.gain_bps for line in lines}
    lead = "Each agent learned in all markets but one, and is judged there beside the best rule."
    if quick:
        lead += " --quick: too few frames and episodes to judge an agent by."
    figure = paired_differences(gains, "the best rule there")
    section = Section(
        "What each saves", html=plain_table(HEADINGS, [*map(_cells, lines)]), figures=(figure,)
    )
    return render("Agents in markets that they never met", lead, [section], {"seed": seed})
