"""The replication: every rule and every policy on the same episodes of a cell, beside what was published.

In the strategic market an episode's reward hangs first of all on which way the hidden trader goes. Each way has
probability 1/2, so means are taken over both halves with equal weight (post-stratification): the same expectation, a
fraction of the noise.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from replications.cheridito_weiss import rules
from replications.cheridito_weiss.cells import Cell
from replications.cheridito_weiss.learned import Known
from replications.cheridito_weiss.market import directions, earned
from tercel.core.stats import (
    Estimate,
    average_over_seeds,
    mean_interval,
    moments_of_mean,
    replicate,
)

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]
WRITTEN: Final[tuple[rules.Rule, ...]] = (
    rules.SubmitAndLeave(),
    rules.PublishedTwap(),
    rules.Crossing(),
    rules.Crossing(10),
    rules.SubmitAndLeave(1),
)
RESAMPLES: Final = 2000
Say = Callable[[str], None]


def balanced(values: Floats, way: Longs) -> Floats:
    """`values` (..., n) with the mean of episodes of each way moved to the mean of those means.

    >>> balanced(np.array([0.0, 0.0, 3.0]), np.array([1, 1, -1])).tolist()
    [1.5, 1.5, 1.5]
    """
    groups = [way == one for one in np.unique(way)]
    means = [values[..., group].mean(axis=-1, keepdims=True) for group in groups]
    centre = sum(means) / len(means)
    out = values.copy()
    for group, mean in zip(groups, means, strict=True):
        out[..., group] += centre - mean
    return np.asarray(out, np.float64)


def on_episodes(cell: Cell, rule: rules.Rule, seeds: Sequence[int], episodes: int) -> Floats:
    """Rewards of a rule, the episodes spread evenly over base seeds: float64 (episodes,)."""
    return np.concatenate([earned(cell, rule, seed, n) for seed, n in spread(seeds, episodes)])


def spread(seeds: Sequence[int], episodes: int) -> list[tuple[int, int]]:
    """How many episodes each base seed has.

    >>> spread([1, 2, 3], 10)
    [(1, 4), (2, 3), (3, 3)]
    """
    each, more = divmod(episodes, len(seeds))
    return [(seed, each + (i < more)) for i, seed in enumerate(seeds) if each + (i < more)]


def judge(
    cell: Cell, known: Known, seeds: Sequence[int], episodes: int, say: Say = lambda _: None
) -> dict[str, Any]:
    """One cell's figures; see the command for the keys that are promised."""
    way = np.concatenate([directions(cell, seed, n) for seed, n in spread(seeds, episodes)])
    rewards: dict[str, Floats] = {}
    for rule in (*WRITTEN, *known.tuned.values()):
        rewards[rule.name] = on_episodes(cell, rule, seeds, episodes)
        say(f"{cell.name}: {rule.name}")
    policies = []
    for i, policy in enumerate(known.learned):
        policies.append(on_episodes(cell, policy, seeds, episodes))
        say(f"{cell.name}: policy {i + 1} of {len(known.policies)}")
    ours = np.stack(policies)
    labels, rng = (
        np.arange(episodes),
        np.random.default_rng([int(seeds[0]), episodes, cell.quantity]),
    )
    level = _interval(balanced(ours, way), labels, rng)
    gain = _interval(balanced(ours - rewards[known.best], way), labels, rng)
    means = {name: float(balanced(value, way).mean()) for name, value in rewards.items()}
    return {
        "ours": level.mean,
        "ci_low": level.ci_low,
        "ci_high": level.ci_high,
        "published_best": cell.published_best,
        "sl": means["sl"],
        "twap": means["twap"],
        "best_rule": means[known.best],
        "paired_vs_rule": gain.to_json(),
        "best_rule_name": known.best,
        "published_sl": cell.sl.mean,
        "published_twap": cell.twap.mean,
        "sd": float(ours.std(axis=1).mean()),
        "sl_sd": float(rewards["sl"].std()),
        "twap_sd": float(rewards["twap"].std()),
        "by_training_seed": balanced(ours, way).mean(axis=1).tolist(),
        "rules": means,
        "episodes": episodes,
    }


def _interval(values: Floats, labels: Longs, rng: np.random.Generator) -> Estimate:
    """Mean and interval of values (S, n): training seeds and episodes both resampled."""
    if len(values) == 1:
        return mean_interval(values[0], labels, rng, resamples=RESAMPLES)
    return seeds_by_clusters(values, labels, rng)


def seeds_by_clusters(
    values: Floats, labels: Longs, rng: np.random.Generator, resamples: int = RESAMPLES
) -> Estimate:
    """Mean of `values`, float (S, n): row s is training seed s on the same n clustered episodes."""
    # Seeds are columns: all of them meet the same draws of clusters, which keeps them paired.
    moments = moments_of_mean(values.T, labels)
    draws = replicate({"": moments}, resamples, rng)[""]
    return average_over_seeds(moments.point(), draws.T, moments.clusters, rng).estimate()
