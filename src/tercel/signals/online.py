"""Learning that goes on: a line on a source's features whose coefficients move from date to date, and their journal.

    found = learn(data, "daily", "blend")        found.told, one forecast a row, each by labels that had ended by then
    as_of(model, at_ns)                          a trained model with the parameters that it had at a moment

Three experts. `static` is fitted once; `rolling` to the labels of the last `window` dates; `recursive` to all of them,
each date forgotten by half in `half_life` dates: recursive least squares in its information form, which is ridge with
exponential weights (Ljung & Soderstrom 1983, "Theory and Practice of Recursive Identification"). `blend` weighs the
three by fixed share (Herbster & Warmuth 1998, "Tracking the Best Expert"; Cesa-Bianchi & Lugosi 2006, "Prediction,
Learning, and Games", chapter 5): by their losses, and with a share of each weight handed on to the others, so that one
which was wrong for years is heard soon after it turns right. A loss is a Gaussian log-likelihood of `bets` names a
date: weights are the chances of a switching model, and what bounds the blend's regret bounds that log-likelihood.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import DataError
from tercel.signals.fusion import LEAST_ROWS, BaseModel, BoundedLinear
from tercel.signals.model_folder import SignalModel
from tercel.signals.panel.dataset import Dataset
from tercel.signals.runs.config import EXPERTS, USUAL, OnlineRule, Update
from tercel.signals.zoo import family

FAMILY: Final = "linear"
"""Of the zoo: what a part that learns online is in a model folder."""


@dataclass(frozen=True, eq=False)
class Learned:
    """A walk of one source.

    Parameters
    ----------
    told : float64 (n,)
        Forecasts; NaN before the first, and where the source says nothing.
    said : float64 (n, K)
        Those of each expert.
    model : BaseModel
        With the parameters of the last date.
    moves : list of dict
        The journal: a line for every date on which a parameter moved.
    """

    told: Floats
    said: Floats
    model: BaseModel
    moves: list[dict[str, Any]]


def forgotten(known: Floats, more: Floats, half_life: float) -> Floats:
    """Sums with those of one more date; what was known before counts `0.5 ** (1 / half_life)` as much.

    >>> forgotten(np.array([8.0]), np.array([1.0]), half_life=1.0).tolist()
    [5.0]
    """
    return np.asarray(0.5 ** (1.0 / half_life) * known + more)


def solved(sums: Floats, penalty: float) -> Floats:
    """Ridge coefficients from sums ``Z' [Z y]``, float64 (p, p + 1), whose last feature is the constant: not penalised.

    >>> z, y = np.array([[-1.0, 1.0], [1.0, 1.0]]), np.array([1.0, 5.0])
    >>> solved(z.T @ np.column_stack([z, y]), penalty=0.0).round(6).tolist()
    [2.0, 3.0]
    """
    load = np.full(len(sums), max(penalty, 1e-10))
    load[-1] = 1e-10
    return np.asarray(np.linalg.solve(sums[:, :-1] + np.diag(load), sums[:, -1]))


def fixed_share(weights: Floats, losses: Floats, share: float) -> Floats:
    """Weights of experts after one more loss of each, float64 (K,).

    Parameters
    ----------
    weights : float64 (K,)
        Before; they sum to 1.
    losses : float64 (K,)
        In nats, the learning rate included.
    share : float
        Of each weight that goes to the others, in equal parts.

    >>> fixed_share(np.array([0.5, 0.5]), np.array([0.0, 100.0]), share=0.1).round(6).tolist()
    [0.9, 0.1]
    """
    if len(weights) == 1:
        return weights
    kept = weights * np.exp(losses.min() - losses)
    kept = kept / kept.sum()
    return np.asarray((1.0 - share) * kept + share / (len(kept) - 1) * (1.0 - kept))


def learn(data: Dataset, source: str, update: Update, rule: OnlineRule = USUAL) -> Learned:
    """Walk one source's line forward: at each date it learns from labels that have ended, and then forecasts.

    Raises
    ------
    DataError
        When the source says something on too few dates, or none of its columns varies by then.

    >>> from tercel.signals.sources.synthetic import synthetic_market
    >>> data = synthetic_market(1, instruments=20, days=120, strength=0.3).data
    >>> found = learn(data, "linear", "recursive")
    >>> int(np.isfinite(found.told).sum()), len(found.moves), sorted(found.moves[0]["moved"])
    (1340, 67, ['recursive:intercept', 'recursive:linear.a', 'weight:recursive'])
    """
    from tercel.signals.zoo.base import filled, scale_of  # an extra's

    columns = np.array(data.sources[source])
    x = data.x[:, columns]
    present = ~np.isnan(x).all(axis=1)
    times, batches, sections = _schedule(data, present)
    warm = (
        np.concatenate(batches[: rule.warm + 1]) if len(times) > rule.warm else np.zeros(0, np.intp)
    )
    if len(warm) < LEAST_ROWS:
        raise DataError(
            f"{LEAST_ROWS} labels of {source} that end in its first {rule.warm} dates",
            f"{len(warm)}, {len(times)} dates in all",
            "take a longer history",
        )
    spread = np.nanmax(x[warm], axis=0, initial=-np.inf) - np.nanmin(
        x[warm], axis=0, initial=np.inf
    )
    used = np.flatnonzero(spread > 0)
    if not len(used):
        raise DataError(
            "features that vary", f"constant {source} in {len(warm)} rows", "leave the source out"
        )
    ready, medians = filled(x[warm][:, used])
    centre, scale = scale_of(ready, np.ones(len(warm)))
    full = filled(x[:, used], medians)[0]
    design = np.column_stack([(full - centre) / scale, np.ones(data.n), data.y])
    names = [*(data.names[columns[c]] for c in used), "intercept"]
    experts = EXPERTS if update == "blend" else (update,)
    weights, unit = (
        np.full(len(experts), 1.0 / len(experts)),
        2.0 * max(float(data.y[warm].var()), 1e-300),
    )
    told, said = np.full(data.n, np.nan), np.full((data.n, len(experts)), np.nan)
    window, fixed = deque[Floats](maxlen=rule.window), np.zeros((len(names), len(names) + 1))
    memory, state, moves = fixed, dict[str, float](), list[dict[str, Any]]()
    for at, (ended, now) in enumerate(zip(batches, sections, strict=True)):
        if len(ended):
            more = design[ended][:, :-1].T @ design[ended]
            window.append(more)
            memory = forgotten(memory, more, rule.half_life)
            fixed = fixed + more if at <= rule.warm else fixed
            judged = ended[np.isfinite(said[ended, 0])]
            if len(judged):
                loss = ((data.y[judged, None] - said[judged]) ** 2).sum(axis=0) / unit
                weights = fixed_share(weights, loss * min(1.0, rule.bets / len(judged)), rule.share)
        if at < rule.warm:
            continue
        sums = {"static": fixed, "rolling": np.sum(window, axis=0), "recursive": memory}
        lines = np.stack(
            [_unscaled(solved(sums[one], rule.penalty), centre, scale) for one in experts]
        )
        said[now] = full[now] @ lines[:, :-1].T + lines[:, -1]
        state = _moved(state, _named(experts, names, lines, weights), int(times[at]), source, moves)
        told[now] = full[now] @ (weights @ lines)[:-1] + (weights @ lines)[-1]
    part = BaseModel(
        source, FAMILY, tuple(data.names[c] for c in columns), used, medians, family(FAMILY).make()
    )
    return Learned(told, said, _set(part, state), moves)


def learn_all(
    data: Dataset, update: Update, rule: OnlineRule = USUAL
) -> tuple[Floats, list[BaseModel], list[Any]]:
    """Forecasts (n, K) of every source that ranks, their models, and the journal of all by date."""
    found = [learn(data, source, update, rule) for source in data.ranking]
    moves = sorted((line for one in found for line in one.moves), key=lambda line: str(line["at"]))
    return np.stack([one.told for one in found], axis=1), [one.model for one in found], moves


def as_of(model: SignalModel, at_ns: int) -> SignalModel:
    """The model with the parameters that its journal gives it at a moment, by no label that had not ended.

    A source that had learned nothing by then says nothing.

    Raises
    ------
    DataError
        Where the model does not learn online, or none of its sources had learned anything.
    """
    moves = model.updates()
    if not (states := states_at(moves, at_ns)):
        first = min(line["at"] for line in moves)[:10]
        raise DataError(
            f"a date from {first} on", stamp(at_ns)[:10], "the model had learned nothing by then"
        )
    return with_states(model, states)


def with_states(model: SignalModel, states: Mapping[str, Mapping[str, float]]) -> SignalModel:
    """The model with parameters by source and name; a source without any says nothing."""
    return replace(
        model, models=tuple(_set(one, states.get(one.source, {})) for one in model.models)
    )


def states_at(moves: Iterable[Mapping[str, Any]], at_ns: int) -> dict[str, dict[str, float]]:
    """Every parameter by source and name, as a journal has it at a moment.

    >>> lines = [{"at": stamp(0), "source": "a", "moved": {"w": [None, 1.0]}},
    ...          {"at": stamp(9), "source": "a", "moved": {"w": [1.0, 2.0]}}]
    >>> states_at(lines, 8), states_at(lines, 9)
    ({'a': {'w': 1.0}}, {'a': {'w': 2.0}})
    """
    found, until = dict[str, dict[str, float]](), stamp(at_ns)
    for line in moves:
        if line["at"] <= until:
            found.setdefault(line["source"], {}).update(
                {name: new for name, (_, new) in line["moved"].items()}
            )
    return found


def stamp(at_ns: int) -> str:
    """A time of the journal, to the nanosecond: texts sort as times do.

    >>> stamp(0)
    '1970-01-01T00:00:00.000000000Z'
    """
    return f"{np.datetime64(int(at_ns), 'ns')}Z"


def _schedule(data: Dataset, present: Any) -> tuple[Ints, list[Any], list[Any]]:
    """Dates on which a source speaks; rows whose labels had ended at each and not at the one before; its own rows."""
    rows = np.flatnonzero(present)
    times = np.unique(data.time_ns[rows])
    edges = np.arange(1, len(times) + 1)

    def split(at: Ints) -> list[Any]:
        order = np.argsort(at, kind="stable")
        return np.split(rows[order], np.searchsorted(at[order], edges))[: len(times)]

    return (
        times,
        split(np.searchsorted(times, data.end_ns[rows])),
        split(np.searchsorted(times, data.time_ns[rows])),
    )


def _unscaled(beta: Floats, centre: Floats, scale: Floats) -> Floats:
    """Coefficients of features as they are, the constant last."""
    slope = beta[:-1] / scale
    return np.append(slope, beta[-1] - centre @ slope)


def _named(
    experts: Sequence[str], names: Sequence[str], lines: Floats, weights: Floats
) -> dict[str, float]:
    """Every parameter by its name in the journal."""
    coefficients = {
        f"{one}:{name}": float(value)
        for one, line in zip(experts, lines, strict=True)
        for name, value in zip(names, line, strict=True)
    }
    return coefficients | {
        f"weight:{one}": float(w) for one, w in zip(experts, weights, strict=True)
    }


def _moved(
    old: Mapping[str, float],
    new: dict[str, float],
    at_ns: int,
    source: str,
    moves: list[dict[str, Any]],
) -> dict[str, float]:
    """The new state, with a line in the journal if anything differs."""
    moved = {name: [old.get(name), value] for name, value in new.items() if old.get(name) != value}
    if moved:
        moves.append({"at": stamp(at_ns), "source": source, "moved": moved})
    return new


def _set(part: BaseModel, state: Mapping[str, float]) -> BaseModel:
    """A part with the parameters of a state; without any it says nothing."""
    if not state:
        none = np.full(len(part.used), np.nan)
        return replace(part, model=BoundedLinear(none, none, none, np.nan))
    experts = [one for one in EXPERTS if f"weight:{one}" in state]
    names = [*(part.names[c] for c in part.used), "intercept"]
    lines = np.array([[state[f"{one}:{name}"] for name in names] for one in experts])
    mixed = np.array([state[f"weight:{one}"] for one in experts]) @ lines
    model = family(FAMILY).make(**part.model.get_params())
    kept = {
        "coef_": mixed[:-1],
        "intercept_": mixed[-1],
        "n_features_in_": np.asarray(len(mixed) - 1),
    }
    return replace(part, model=model.put_back(kept))
