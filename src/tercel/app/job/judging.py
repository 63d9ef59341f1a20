"""Judging one strategy: its costs over all judged episodes, and what its decisions answered to. Kept on disk."""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from tercel.app.job.market import JobMarket
from tercel.app.job.settings import RunSettings
from tercel.app.job.training import LEARNERS, policy_folder
from tercel.core.errors import ConfigError
from tercel.core.written import beside
from tercel.evaluation.adaptability import Response, respond
from tercel.evaluation.experiment import run_recorded, run_strategy, run_twins
from tercel.evaluation.judge import Entry, Kind
from tercel.execution.costs import Costs, attribute
from tercel.execution.own import named
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.strategies import NAMES, YARDSTICK, build
from tercel.execution.strategy import Strategy
from tercel.stats import Estimate, mean_interval, paired_difference

RECORDED = 200
"""Episodes whose decisions are recorded, for adaptability."""
TWINS = "twins"


@dataclass(frozen=True)
class Candidate:
    """One strategy to be judged; `seed` is the training seed of a learned one, else -1; `own` names a user's."""

    name: str
    seed: int = -1
    own: str = ""

    @property
    def file(self) -> str:
        """File name of its result; of a user's strategy it changes with its code."""
        if self.own:
            return f"{self.name}@{hashlib.sha256(repr(named(self.own)).encode()).hexdigest()[:12]}.npz"
        return f"{self.name}.npz" if self.seed < 0 else f"{self.name}-{self.seed}.npz"


def candidates(settings: RunSettings) -> list[Candidate]:
    """Everything that is judged, in the order of the table; the yardstick, which stands below it, last."""
    learned = [f"{name}{tail}" for tail in ("", "_untrained") for name in LEARNERS]
    trained = [Candidate(n, s) for n in learned for s in settings.training_seeds]
    own = [Candidate(named(text).name, own=text) for text in settings.strategies]
    return [*(Candidate(n) for n in NAMES), *trained, *own, Candidate(YARDSTICK)]


def strategy_of(candidate: Candidate, market: JobMarket, out: Path) -> Strategy:
    """The strategy: written, or a policy loaded from its file."""
    if candidate.own:
        return named(candidate.own)
    if candidate.seed < 0:
        return build(candidate.name, market.estimates)
    return policy_strategy(policy_folder(out, candidate.name, candidate.seed), candidate.name)


def judge_one(settings: RunSettings, market: JobMarket, out: Path, candidate: Candidate) -> None:
    """Run a candidate through all judged episodes and keep the result; nothing to do if it is there."""
    path = out / "judged" / candidate.file
    if path.exists():
        return
    strategy = strategy_of(candidate, market, out)
    costs = run_strategy(market.judged, settings.task, market.plan, strategy)
    costs.check()
    some = market.plan.take(slice(0, RECORDED))
    decisions = run_recorded(market.judged, settings.task, some, strategy)
    response = respond(decisions, strategy.expected, np.random.default_rng((settings.seed, 7)))
    write_arrays(path, {**_arrays("costs", costs), **_arrays("response", response)})


def judge_twins(settings: RunSettings, market: JobMarket, out: Path) -> None:
    """Run the episodes without own orders and keep their mids; a market that does not answer has no twins."""
    path = out / "judged" / f"{TWINS}.npz"
    if market.judged.answers and not path.exists():
        write_arrays(path, {"mid2_grid": run_twins(market.judged, settings.task, market.plan)})


def entries(settings: RunSettings, out: Path) -> list[Entry]:
    """Rows for the judge, from the results on disk."""
    found: dict[str, list[tuple[Costs, Response]]] = {}
    judged = candidates(settings)[:-1]
    kinds: dict[str, Kind] = {one.name: "own" if one.own else _kind(one.name) for one in judged}
    for candidate in judged:
        with reading(out / "judged" / candidate.file) as data:
            found.setdefault(candidate.name, []).append(
                (_object(Costs, "costs", data), _object(Response, "response", data))
            )
    return [
        Entry(name, kinds[name], tuple(c for c, _ in runs), tuple(r for _, r in runs)) for name, runs in found.items()
    ]


def yardstick_notes(rows: Sequence[Entry], out: Path, rng: np.random.Generator) -> list[str]:
    """What the yardstick costs, and what each learned policy gains on it, on the same episodes (mean of its seeds)."""
    with np.load(out / "judged" / Candidate(YARDSTICK).file) as data:
        costs = _object(Costs, "costs", data)
    plain = attribute(costs, None)["is_bps"]
    own = mean_interval(plain, costs.cluster, rng)
    notes = [f"{YARDSTICK}, all lots one tick behind the touch at every decision: {told_interval(own)} bps."]
    for row in rows:
        if row.kind == "learned":
            learned = np.mean([attribute(run, None)["is_bps"] for run in row.runs], axis=0)
            gain = paired_difference(plain, learned, costs.cluster, rng)
            notes.append(f"{row.name} against {YARDSTICK}: {told_interval(gain, sign='+')} bps, positive is better.")
    return notes


def told_interval(estimate: Estimate, sign: str = "") -> str:
    """A mean with its interval where it has one, two digits; `sign` "+" shows the sign."""
    if estimate.ci_low is None or estimate.ci_high is None:
        return f"{estimate.mean:{sign}.2f}"
    return f"{estimate.mean:{sign}.2f} [{estimate.ci_low:{sign}.2f}, {estimate.ci_high:{sign}.2f}]"


def write_costs(path: Path, costs: Costs) -> None:
    """Keep the costs of a strategy's episodes, whole or not at all."""
    write_arrays(path, _arrays("costs", costs))


def read_costs(path: Path) -> Costs:
    """What :func:`write_costs` kept.

    Raises
    ------
    ConfigError
        When the file is damaged.
    """
    with reading(path) as data:
        costs: Costs = _object(Costs, "costs", data)
    return costs


def twins(out: Path) -> NDArray[np.int64] | None:
    """Mids without own orders, None where nothing answers."""
    path = out / "judged" / f"{TWINS}.npz"
    if not path.exists():
        return None
    with reading(path) as data:
        grid: NDArray[np.int64] = data["mid2_grid"]
    return grid


def _kind(name: str) -> Kind:
    if name == "random":
        return "random"
    if name.endswith("_untrained"):
        return "untrained"
    return "learned" if name in LEARNERS else "baseline"


def _arrays(prefix: str, record: Any) -> dict[str, NDArray[Any]]:
    return {f"{prefix}.{f.name}": getattr(record, f.name) for f in fields(record)}


def _object(kind: Any, prefix: str, data: Any) -> Any:
    return kind(**{f.name: data[f"{prefix}.{f.name}"] for f in fields(kind)})


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """The arrays of a result on disk.

    Raises
    ------
    ConfigError
        When the file is damaged.
    """
    try:
        with np.load(path) as data:
            yield data
    except (ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        remedy = "delete the file; `tercel run --resume` judges again what is missing"
        raise ConfigError("a judged result", f"{path}: {error}", remedy) from error


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write a result, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with beside(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
