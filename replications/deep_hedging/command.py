"""`python -m replications deep-hedging`: the network against the hedges that are known."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from replications.deep_hedging import model as dh
from replications.deep_hedging.train import Settings, train_hedge
from replications.known_figures import hedges
from replications.stored import SEEDS, store, stored
from tercel.api import progress_console
from tercel.cli import print_json, print_table, say
from tercel.core.report import Figure
from tercel.core.stats import normal_quantile
from tercel.execution.policies import PolicyPort

Floats = dh.Floats
STUDY: Final = "deep-hedging"
PUBLISHED: Final = {
    "price_without_frictions": {
        "value": 2.2872,
        "source": "Black and Scholes 1973, the closed form of this option",
    },
    "hedge_without_costs": {
        "value": "the model's delta",
        "source": "Buehler et al. 2019, section 5.2, in Heston",
    },
    "cost_exponent": {
        "value": 2 / 3,
        "source": "Whalley and Wilmott 1997; Buehler et al. 2019, section 5.3",
    },
}
"""What is known of the answer; the paper's own figures are of a Heston market and not comparable."""
TUNING_SEED: Final = 2**31 - 3
"""Of the paths that the band is tuned on: none of those that are judged."""
TUNING_PATHS: Final = 20_000
SHOWN_DAYS: Final = (5, 20, 28)
RULES = ("delta", "leland", "band", "no_hedge")
HEADINGS = ("cost, bps", "network", "best rule", "which", "rule less network", *RULES)


def run(train: bool, paths: int, seeds: Sequence[int], out: Path, as_json: bool) -> None:
    """Print the risk-averse prices by cost and how far the network is from delta without any."""
    folder = out / "policies"
    if train:
        _train(folder)
    agents = stored(STUDY, dh.OBSERVES, folder) if train else stored(STUDY, dh.OBSERVES)
    spots = np.concatenate([dh.paths(paths, np.random.default_rng((seed, 0xD5))) for seed in seeds])
    tuning = dh.paths(TUNING_PATHS, np.random.default_rng(TUNING_SEED))
    rows = [_at(cost, agents, spots, tuning) for cost in dh.COSTS]
    known = _without_costs(agents, spots)
    exponents = _exponents(rows)
    ours = {"without_costs": known, "by_cost": rows, "cost_exponent": exponents}
    out.mkdir(parents=True, exist_ok=True)
    figure = _figure(agents, rows).save(out)
    if as_json:
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
        _print(rows, known, exponents)
    say(f"figure  {figure}")


def _train(folder: Path) -> None:
    from rich.progress import Progress

    settings = Settings()
    with Progress(console=progress_console(), transient=True) as progress:
        for seed in SEEDS:
            bar = progress.add_task(f"train seed {seed}", total=settings.steps)
            network = train_hedge(seed, settings, partial(_advance, progress, bar))
            rows = settings.steps * settings.batch
            facts = {
                "name": "pathwise",
                "hidden": settings.hidden,
                "steps": settings.steps,
                "batch": settings.batch,
            }
            store(STUDY, seed, network, dh.OBSERVES, rows, folder, **facts)


def _advance(progress: Any, bar: Any, step: int, objective: float) -> None:
    progress.update(bar, completed=step, description=f"expected shortfall {objective:.3f}")


def _at(cost: float, agents: Sequence[PolicyPort], spots: Floats, tuning: Floats) -> dict[str, Any]:
    """Every hedge at one cost, on the same paths."""
    aversion = dh.tuned_band(cost, tuning) if cost else None
    rules = {"delta": dh.delta_hedge(), "no_hedge": dh.no_hedge}
    if aversion is not None:
        rules |= {"leland": dh.delta_hedge(cost), "band": dh.band_hedge(cost, aversion)}
    judged = {name: dh.shortfall(dh.losses(spots, rule, cost)) for name, rule in rules.items()}
    runs = [dh.shortfall(dh.losses(spots, dh.network_hedge(agent, cost), cost)) for agent in agents]
    network = np.mean([each.influence for each in runs], axis=0)
    best = min(judged, key=lambda name: judged[name].value)
    return {
        "cost": cost,
        "network": {**_interval(network), "by_seed": [each.value for each in runs]},
        "rules": {name: _interval(each.influence) for name, each in judged.items()},
        "band_aversion": aversion,
        "best_rule": best,
        "paired_vs_best_rule": _interval(judged[best].influence - network),
    }


def _interval(values: Floats) -> dict[str, float]:
    """Mean of independent paths with its 95 % interval."""
    mean, half = (
        float(values.mean()),
        normal_quantile(0.975) * float(values.std(ddof=1)) / np.sqrt(len(values)),
    )
    return {"mean": mean, "ci_low": mean - half, "ci_high": mean + half}


def _without_costs(agents: Sequence[PolicyPort], spots: Floats) -> dict[str, Any]:
    """How far each network's holding is from delta over all days and paths, and what the hedge leaves."""
    delta = dh.delta_hedge()
    wanted = np.stack([delta(day, spots[:, day], spots[:, day]) for day in range(dh.DAYS)])
    left = dh.losses(spots, delta, 0.0)
    found = []
    for agent in agents:
        hedge = dh.network_hedge(agent, 0.0)
        held = np.stack([hedge(day, spots[:, day], np.zeros(len(spots))) for day in range(dh.DAYS)])
        loss = dh.losses(spots, hedge, 0.0)
        found.append(
            {
                "rms_from_delta": np.sqrt(np.mean((held - wanted) ** 2)),
                "correlation": np.corrcoef(held.ravel(), wanted.ravel())[0, 1],
                "sd_of_loss": loss.std(ddof=1),
                "mean_loss": loss.mean(),
            }
        )
    return {
        "price_without_frictions": float(dh.call_price(np.array([dh.SPOT]), dh.YEARS)[0]),
        "delta": {"sd_of_loss": left.std(ddof=1), "mean_loss": left.mean()},
        "network": {key: np.mean([each[key] for each in found]) for key in found[0]},
        "by_seed": found,
    }


def _exponents(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Slopes of log (price - price without costs) by log cost."""
    costs = np.array([row["cost"] for row in rows[1:]])
    found = {}
    for name, prices in (
        ("network", [row["network"]["mean"] for row in rows]),
        ("best_rule", [row["rules"][row["best_rule"]]["mean"] for row in rows]),
    ):
        dearer = np.maximum(np.array(prices[1:]) - prices[0], 1e-9)
        found[name] = float(np.polyfit(np.log(costs), np.log(dearer), 1)[0])
    return found


def _figure(agents: Sequence[PolicyPort], rows: Sequence[dict[str, Any]]) -> Figure:
    spots = np.linspace(90.0, 110.0, 41)
    zero = np.zeros(len(spots))
    deltas = {
        f"{dh.DAYS - day} days left": (
            dh.delta_hedge()(day, spots, zero),
            [dh.network_hedge(agent, 0.0)(day, spots, zero) for agent in agents],
        )
        for day in SHOWN_DAYS
    }
    names = {"delta": "delta", "leland": "Leland", "band": "band, tuned"}
    prices = {"network": [row["network"]["mean"] for row in rows]} | {
        label: [row["rules"].get(name, row["rules"]["delta"])["mean"] for row in rows]
        for name, label in names.items()
    }
    return hedges(spots, deltas, [1e4 * row["cost"] for row in rows], prices, "hedges")


def _print(
    rows: Sequence[dict[str, Any]], known: dict[str, Any], exponents: dict[str, float]
) -> None:
    cells = []
    for row in rows:
        rules, gain = row["rules"], row["paired_vs_best_rule"]
        shown = (rules[name]["mean"] if name in rules else None for name in RULES)
        cells.append(
            (
                f"{1e4 * row['cost']:g}",
                f"{row['network']['mean']:.3f}",
                f"{rules[row['best_rule']]['mean']:.3f}",
                row["best_rule"],
                f"{gain['mean']:+.4f} [{gain['ci_low']:+.4f}, {gain['ci_high']:+.4f}]",
                *("-" if price is None else f"{price:.3f}" for price in shown),
            )
        )
    title = (
        f"expected shortfall ({100 * dh.ALPHA:g} %) of the hedged option: what must be asked for it"
    )
    print_table(
        title, HEADINGS, cells, ("leland", "delta", "no_hedge", "band"), left_aligned={"which"}
    )
    network, delta = known["network"], known["delta"]
    say(
        f"without costs: network's holding {network['rms_from_delta']:.4f} (rms) from delta, correlation "
        f"{network['correlation']:.4f}; sd of what the hedge leaves {network['sd_of_loss']:.4f}, of delta "
        f"{delta['sd_of_loss']:.4f}; mean loss {network['mean_loss']:.4f}, closed-form price "
        f"{known['price_without_frictions']:.4f}"
    )
    say(
        f"price grows like cost to the power {exponents['network']:.2f} (known: 0.67 for small costs, often traded)"
    )
