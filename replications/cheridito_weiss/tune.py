"""The cross-entropy method on a rule's parameters (Rubinstein 1999), on episodes of their own.

A generation draws parameters from a normal law, every one meets the same episodes, and the law moves to the best.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from replications.cheridito_weiss import rules
from replications.cheridito_weiss.cells import Cell
from replications.cheridito_weiss.market import Batch
from tercel.execution import intent as it

Floats = NDArray[np.float64]
SEED: Final = -1_000_000
"""Tuning streams have seeds from here downwards, validation from `VALID`; nothing is judged or trained on them."""
VALID: Final = -2_000_000
ROWS: Final = 256
KINDS: Final = ("score_rule", "direction_rule")


@dataclass(frozen=True)
class Search:
    """How long to look.

    Parameters
    ----------
    generations, population, elite : int
    episodes : (int, int)
        A candidate's episodes in the first and the last generation.
    keep : float
        How much of the old law the new one keeps.
    validate : int
        Episodes that the last candidates are compared on.
    """

    generations: int = 16
    population: int = 42
    elite: int = 9
    episodes: tuple[int, int] = (80, 260)
    keep: float = 0.3
    validate: int = 3000


QUICK: Final = Search(generations=2, population=8, elite=3, episodes=(16, 16), validate=16)
"""A smoke run."""


def scores(cell: Cell, candidates: Floats, episodes: int, seed: int) -> Floats:
    """Mean reward of each candidate on the same episodes: candidates (m, P), float64 (m,)."""
    total = np.zeros(len(candidates))
    each = max(ROWS // len(candidates), 1)
    p = np.repeat(candidates, each, axis=0)
    zeros = np.zeros((1, rules.RESIDUAL), np.float32)
    batch, out = Batch(cell, len(p)), np.empty((len(p), it.WIDTH), np.int32)
    plan_rows = np.tile(np.arange(each), len(candidates))
    rounds = -(-episodes // each)
    for r in range(rounds):
        batch.start_rows(seed, plan_rows + r * each)
        while batch.working.any():
            rules.decide_rows(p, batch.columns, zeros, out)
            batch.step(out)
            total += batch.rewards.reshape(len(candidates), each).sum(axis=1)
    return total / (rounds * each)


def tune(
    cell: Cell,
    kind: str,
    seed: int = 1,
    search: Search | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[Floats, float] | None:
    """The best parameters found and their validated reward; None when it was stopped."""
    s = search or Search()
    rng = np.random.default_rng([seed, 0xCE])
    mean, sd = rules.START[kind].copy(), rules.SPREAD[kind].copy()
    best = [mean]
    for g in range(s.generations):
        if stop():
            return None
        lots = s.episodes[0] + (s.episodes[1] - s.episodes[0]) * g // max(s.generations - 1, 1)
        drawn = mean + sd * rng.standard_normal((s.population, len(mean)))
        drawn[0] = mean
        found = scores(cell, whole_rows(drawn), lots, SEED - 1000 * seed - g)
        top = drawn[np.argsort(-found)[: s.elite]]
        mean = s.keep * mean + (1 - s.keep) * top.mean(axis=0)
        sd = s.keep * sd + (1 - s.keep) * top.std(axis=0)
        if g >= s.generations - 4:
            best += [mean.copy(), top[0]]
    finals = scores(cell, whole_rows(np.array(best)), s.validate, VALID - seed)
    winner = int(np.argmax(finals))
    return best[winner], float(finals[winner])


def rule_of(kind: str, parameters: Floats) -> rules.Tuned:
    """The rule with what was found."""
    return rules.Tuned(kind, whole_rows(parameters[None])[0])


def whole_rows(candidates: Floats) -> Floats:
    """Candidates of either rule as rows of 16 parameters."""
    if candidates.shape[1] == rules.P:
        return candidates
    rest = np.tile((rules.NEVER, 0.0, 0.0, 0.0), (len(candidates), 1))
    return np.concatenate([candidates, rest], axis=1)
