"""`python -m replications almgren-chriss`: the worked numbers, the model simulated, the frontier by the agent."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from replications.almgren_chriss import model as ac
from replications.known_figures import frontier
from replications.stored import SEEDS, store, stored
from tercel.cli import print_json, print_table, say
from tercel.core.stats import normal_quantile
from tercel.execution.policies import MlpPolicy

STUDY: Final = "almgren-chriss"
FIGURE: Final = "frontier"
PUBLISHED: Final[dict[str, dict[str, Any]]] = {
    "even": {"cost": 662_500, "sd": 1_040_673},
    "at_once": {"cost": 2_562_500, "sd": 0},
    "1e-07": {"cost": 670_057, "sd": 961_623},
    "1e-06": {"cost": 911_227, "sd": 603_431, "kappa": 0.607, "left": [1000, 542, 290, 148, 62, 0]},
    "2e-06": {
        "cost": 1_140_715,
        "sd": 449_368,
        "kappa": 0.846,
        "left": [1000, 429, 183, 76, 28, 0],
    },
}
"""What the paper's Table 1 comes to by its equations 4, 5 and 17 to 20; dollars, thousand shares."""
TRACE: Final = np.geomspace(ac.LOWEST, ac.HIGHEST, 13)


def run(train: bool, paths: int, seeds: Sequence[int], out: Path, as_json: bool) -> None:
    """Print our figures beside the published ones and draw the frontier."""
    folder = out / "policies"
    if train:
        for seed in SEEDS:
            say(f"train seed {seed}: {ac.FRAMES:,} decisions")
            store(STUDY, seed, ac.train_agent(seed), ac.OBSERVES, ac.FRAMES, folder, name="ppo")
    agents = stored(STUDY, ac.OBSERVES, folder) if train else stored(STUDY, ac.OBSERVES)
    networks = [agent for agent in agents if isinstance(agent, MlpPolicy)]
    found = {key: _ours(key, networks, paths, seeds) for key in PUBLISHED}
    traced = [_trace(float(aversion), networks) for aversion in TRACE]
    out.mkdir(parents=True, exist_ok=True)
    figure = _figure(networks).save(out)
    if as_json:
        ours = {**found, "frontier": traced}
        print_json(
            {
                "study": STUDY,
                "published": PUBLISHED,
                "ours": ours,
                "seeds": seeds,
                "figure": str(figure),
            }
        )
    else:
        _print(found, traced)
    say(f"figure  {figure}")


def _ours(
    key: str, networks: Sequence[MlpPolicy], paths: int, seeds: Sequence[int]
) -> dict[str, Any]:
    """The closed form, its simulation, and the agents at the risk aversion of `key`."""
    schedule = {"even": ac.even, "at_once": ac.at_once}.get(key, lambda: ac.optimal(float(key)))()
    drawn = np.concatenate(
        [ac.simulate(schedule.left, paths, np.random.default_rng((s, 0xAC2))) for s in seeds]
    )
    half = normal_quantile(0.975) * drawn.std(ddof=1) / np.sqrt(drawn.size)
    found: dict[str, Any] = {
        "cost": schedule.cost,
        "sd": schedule.sd,
        "left": schedule.left / 1000,
        "simulated": {
            "cost": {
                "mean": drawn.mean(),
                "ci_low": drawn.mean() - half,
                "ci_high": drawn.mean() + half,
            },
            "sd": drawn.std(ddof=1),
        },
    }
    if key in ("even", "at_once"):
        return found
    runs = [ac.scheduled(network, float(key)) for network in networks]
    found["kappa"] = ac.urgency(float(key))
    found["agent"] = {
        "cost": np.mean([run.cost for run in runs]),
        "sd": np.mean([run.sd for run in runs]),
        "left": np.mean([run.left for run in runs], axis=0) / 1000,
        "by_seed": [{"cost": run.cost, "sd": run.sd, "objective": run.objective} for run in runs],
        "objective_over_optimum": np.mean([run.objective for run in runs]) / schedule.objective,
    }
    return found


def _trace(aversion: float, networks: Sequence[MlpPolicy]) -> dict[str, Any]:
    best, even = ac.optimal(aversion), ac.even(aversion)
    runs = [ac.scheduled(network, aversion) for network in networks]
    over = [run.objective / best.objective - 1 for run in runs]
    closed = [(even.objective - run.objective) / (even.objective - best.objective) for run in runs]
    return {
        "risk_aversion": aversion,
        "closed_form": {"cost": best.cost, "sd": best.sd, "objective": best.objective},
        "agent": {"cost": np.mean([r.cost for r in runs]), "sd": np.mean([r.sd for r in runs])},
        "over_optimum": np.mean(over),
        "worst_over_optimum": max(over),
        "gap_to_even_closed": np.mean(closed),
    }


def _figure(networks: Sequence[MlpPolicy]) -> Any:
    curve = [
        ac.optimal(float(aversion)) for aversion in np.geomspace(ac.LOWEST / 10, ac.HIGHEST, 60)
    ]
    runs = [[ac.scheduled(network, float(aversion)) for aversion in TRACE] for network in networks]
    shown = {
        f"lambda {aversion:g}": (
            ac.optimal(aversion).left / 1e3,
            [ac.scheduled(network, aversion).left / 1e3 for network in networks],
        )
        for aversion in ac.AVERSIONS
    }
    return frontier(
        ([s.sd / 1e3 for s in curve], [s.cost / 1e3 for s in curve]),
        [([s.sd / 1e3 for s in run], [s.cost / 1e3 for s in run]) for run in runs],
        shown,
        FIGURE,
    )


def _print(found: dict[str, dict[str, Any]], traced: Sequence[dict[str, Any]]) -> None:
    for what, title in (("cost", "expected cost, $"), ("sd", "standard deviation of the cost, $")):
        rows = [(key, *_compared(PUBLISHED[key], ours, what)) for key, ours in found.items()]
        print_table(
            f"{title}, by risk aversion per $",
            ("schedule", "published", "ours", "simulated", "agent"),
            rows,
        )
    held = [
        (f"{key} {who}", *(f"{shares:.0f}" for shares in left))
        for key, theirs in PUBLISHED.items()
        if "left" in theirs
        for who, left in (
            ("published", theirs["left"]),
            ("ours", found[key]["left"]),
            ("agent", found[key]["agent"]["left"]),
        )
    ]
    print_table(
        "thousand shares left at the end of day",
        ("schedule", *map(str, range(ac.BLOCKS + 1))),
        held,
    )
    cells = [
        (
            f"{row['risk_aversion']:.1e}",
            f"{row['closed_form']['objective']:,.0f}",
            *(
                f"{100 * row[key]:.3f} %"
                for key in ("over_optimum", "worst_over_optimum", "gap_to_even_closed")
            ),
        )
        for row in traced
    ]
    heads = ("risk aversion", "closed form", "agent over it", "worst seed", "of the gap to even")
    print_table("the frontier by the agent: cost + risk aversion x variance, $", heads, cells)


def _compared(theirs: dict[str, Any], ours: dict[str, Any], what: str) -> list[str]:
    """One figure as published, by the closed form, simulated, by the agent."""
    drawn = ours["simulated"][what]
    agent = ours.get("agent")
    values = (
        theirs[what],
        ours[what],
        drawn["mean"] if isinstance(drawn, dict) else drawn,
        agent and agent[what],
    )
    return ["-" if value is None else f"{value:,.0f}" for value in values]
