"""Online learning: a line on a source's features whose coefficients move from date to date, and their journal.

    found = learn(data, "daily", "blend")        found.forecast, one forecast a row, each by labels that had ended by then
    as_of(model, at_ns)                          a trained model with the parameters that it had at a moment

Three experts. `static` is fitted once; `rolling` to the labels of the last `window` dates; `recursive` to all of them,
each date forgotten by half in `half_life` dates: recursive least squares in its information form, which is ridge with
exponential weights (Ljung & Soderstrom 1983, "Theory and Practice of Recursive Identification"). `blend` weighs the
three by fixed share (Herbster & Warmuth 1998, "Tracking the Best Expert"; Cesa-Bianchi & Lugosi 2006, "Prediction,
Learning, and Games", chapter 5): by their losses, and with a share of each weight passed to the others, so that a line
which was wrong for years regains weight soon after it turns right. A loss is a Gaussian log-likelihood of `bets` names
a date: weights are the chances of a switching model, and a bound on the blend's regret bounds that log-likelihood.

A model that is served learns on by the same walk over the files as they are now (:func:`learn_since_training`): what it learns
depends on the date alone, not on when it was trained or served. One line of `updates.jsonl`, and of `served.jsonl` behind
it, is one date and source, each parameter with its old and its new value::

    {"at": "2016-05-02T20:30:00.000000000Z", "source": "daily", "moved": {"recursive:daily.ret_5": [-0.011, -0.012]}}
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import DataError, refuse_if
from tercel.signals.models.family_cards import family
from tercel.signals.models.fusion import LEAST_ROWS, BaseModel, BoundedLinear
from tercel.signals.models.signal_model import ParameterMove, SignalModel
from tercel.signals.panel.dataset import Dataset
from tercel.signals.runs.config import EXPERTS, USUAL, OnlineRule, Update

FAMILY: Final = "linear"
"""Family of a part that learns online, in a model folder."""


@dataclass(frozen=True, eq=False)
class OnlineWalk:
    """Result of learning one source online: forecasts by row and by expert, the model and its journal.

    Parameters
    ----------
    forecast : float64 (n,)
        Forecasts; NaN before the first, and where the source says nothing.
    by_expert : float64 (n, K)
        Those of each expert.
    model : BaseModel
        With the parameters of the last date.
    moves : list of ParameterMove
        The journal: a line for every date on which a parameter moved.
    """

    forecast: Floats
    by_expert: Floats
    model: BaseModel
    moves: list[ParameterMove]


def decay_sums(sums: Floats, date_sums: Floats, half_life: float) -> Floats:
    """Sums with those of one more date; what was known before counts `0.5 ** (1 / half_life)` as much.

    >>> decay_sums(np.array([8.0]), np.array([1.0]), half_life=1.0).tolist()
    [5.0]
    """
    return np.asarray(0.5 ** (1.0 / half_life) * sums + date_sums)


def solve_ridge(sums: Floats, penalty: float) -> Floats:
    """Ridge coefficients from sums ``Z' [Z y]``, float64 (p, p + 1), whose last feature is the constant: not penalised.

    >>> z, y = np.array([[-1.0, 1.0], [1.0, 1.0]]), np.array([1.0, 5.0])
    >>> solve_ridge(z.T @ np.column_stack([z, y]), penalty=0.0).round(6).tolist()
    [2.0, 3.0]
    """
    penalties = np.full(len(sums), max(penalty, 1e-10))
    penalties[-1] = 1e-10
    return np.asarray(np.linalg.solve(sums[:, :-1] + np.diag(penalties), sums[:, -1]))


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
    updated = weights * np.exp(losses.min() - losses)
    updated = updated / updated.sum()
    return np.asarray((1.0 - share) * updated + share / (len(updated) - 1) * (1.0 - updated))


def learn(data: Dataset, source: str, update: Update, rule: OnlineRule = USUAL) -> OnlineWalk:
    """Walk a source's line forward: at each date learn from labels that have ended, then forecast.

    Raises
    ------
    DataError
        When the source says something on too few dates, or none of its columns varies by then.

    >>> from tercel.signals.sources.synthetic import synthetic_market
    >>> data = synthetic_market(1, instruments=20, days=120, strength=0.3).data
    >>> found = learn(data, "linear", "recursive")
    >>> int(np.isfinite(found.forecast).sum()), len(found.moves), sorted(found.moves[0].moved)
    (1340, 67, ['recursive:intercept', 'recursive:linear.a', 'weight:recursive'])
    """
    from tercel.signals.models.estimator import fill_gaps, scale_of

    columns = np.array(data.sources[source])
    x = data.x[:, columns]
    times, batches, sections = _schedule(data, ~np.isnan(x).all(axis=1))
    warm = (
        np.concatenate(batches[: rule.warm + 1]) if len(times) > rule.warm else np.zeros(0, np.intp)
    )
    refuse_if(
        len(warm) < LEAST_ROWS,
        f"{LEAST_ROWS} labels of {source} that end in its first {rule.warm} dates",
        f"{len(warm)}, {len(times)} dates in all",
        "take a longer history",
        DataError,
    )
    spread = np.nanmax(x[warm], axis=0, initial=-np.inf) - np.nanmin(
        x[warm], axis=0, initial=np.inf
    )
    used = np.flatnonzero(spread > 0)
    refuse_if(
        not len(used),
        "features that vary",
        f"constant {source} in {len(warm)} rows",
        "leave the source out",
        DataError,
    )
    ready, medians = fill_gaps(x[warm][:, used])
    centre, scale = scale_of(ready, np.ones(len(warm)))
    full = fill_gaps(x[:, used], medians)[0]
    design = np.column_stack([(full - centre) / scale, np.ones(data.n), data.y])
    names = [*(data.names[columns[c]] for c in used), "intercept"]
    experts = EXPERTS if update == "blend" else (update,)
    weights = np.full(len(experts), 1.0 / len(experts))
    unit = 2.0 * max(float(data.y[warm].var()), 1e-300)
    forecast = np.full(data.n, np.nan)
    by_expert = np.full((data.n, len(experts)), np.nan)
    window = deque[Floats](maxlen=rule.window)
    fixed = np.zeros((len(names), len(names) + 1))
    memory = fixed
    state = dict[str, float]()
    moves = list[ParameterMove]()
    for index, (ended_rows, current_rows) in enumerate(zip(batches, sections, strict=True)):
        if len(ended_rows):
            date_sums = design[ended_rows][:, :-1].T @ design[ended_rows]
            window.append(date_sums)
            memory = decay_sums(memory, date_sums, rule.half_life)
            fixed = fixed + date_sums if index <= rule.warm else fixed
            judged_rows = ended_rows[np.isfinite(by_expert[ended_rows, 0])]
            if len(judged_rows):
                loss = ((data.y[judged_rows, None] - by_expert[judged_rows]) ** 2).sum(
                    axis=0
                ) / unit
                weights = fixed_share(
                    weights, loss * min(1.0, rule.bets / len(judged_rows)), rule.share
                )
        if index < rule.warm:
            continue
        sums = {"static": fixed, "rolling": np.sum(window, axis=0), "recursive": memory}
        lines = np.stack(
            [_unscale(solve_ridge(sums[expert], rule.penalty), centre, scale) for expert in experts]
        )
        by_expert[current_rows] = full[current_rows] @ lines[:, :-1].T + lines[:, -1]
        state = _record_move(
            state,
            _name_parameters(experts, names, lines, weights),
            int(times[index]),
            source,
            moves,
        )
        forecast[current_rows] = full[current_rows] @ (weights @ lines)[:-1] + (weights @ lines)[-1]
    part = BaseModel(
        source, FAMILY, tuple(data.names[c] for c in columns), used, medians, family(FAMILY).make()
    )
    return OnlineWalk(forecast, by_expert, _with_parameters(part, state), moves)


def learn_all(
    data: Dataset, update: Update, rule: OnlineRule = USUAL
) -> tuple[Floats, list[BaseModel], list[ParameterMove]]:
    """Learn each source that ranks online: forecasts (n, K), their last models, and the journal of all by date."""
    walks = [learn(data, source, update, rule) for source in data.ranking]
    moves = sorted((line for walk in walks for line in walk.moves), key=lambda line: line.at)
    return (
        np.stack([walk.forecast for walk in walks], axis=1),
        [walk.model for walk in walks],
        moves,
    )


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
        first = min(line.at for line in moves)[:10]
        raise DataError(
            f"a date from {first} on",
            format_time(at_ns)[:10],
            "the model had learned nothing by then",
        )
    return with_states(model, states)


def with_states(model: SignalModel, states: Mapping[str, Mapping[str, float]]) -> SignalModel:
    """The model with parameters by source and name; a source without parameters forecasts nothing."""
    return replace(
        model,
        models=tuple(_with_parameters(part, states.get(part.source, {})) for part in model.models),
    )


def states_at(moves: Iterable[ParameterMove], at_ns: int) -> dict[str, dict[str, float]]:
    """Every parameter by source and name, as a journal has it at a moment, lines of that very moment included.

    >>> lines = [ParameterMove(format_time(0), "a", {"w": (None, 1.0)}),
    ...          ParameterMove(format_time(9), "a", {"w": (1.0, 2.0)})]
    >>> states_at(lines, 8), states_at(lines, 9)
    ({'a': {'w': 1.0}}, {'a': {'w': 2.0}})
    """
    states = dict[str, dict[str, float]]()
    until = format_time(at_ns)
    for line in moves:
        if line.at <= until:
            states.setdefault(line.source, {}).update(
                {name: new for name, (_, new) in line.moved.items()}
            )
    return states


def format_time(at_ns: int) -> str:
    """A time in ns since 1970 as a journal's text, which sorts as the time does.

    >>> format_time(0)
    '1970-01-01T00:00:00.000000000Z'
    """
    return f"{np.datetime64(int(at_ns), 'ns')}Z"


def _schedule(data: Dataset, present: Any) -> tuple[Ints, list[Any], list[Any]]:
    """Dates with facts of a source; rows whose labels had ended between the last date and each; rows of each date."""
    rows = np.flatnonzero(present)
    times = np.unique(data.time_ns[rows])
    edges = np.arange(1, len(times) + 1)

    def split(date_index: Ints) -> list[Any]:
        """Rows by date, from each row's index among the dates."""
        order = np.argsort(date_index, kind="stable")
        return np.split(rows[order], np.searchsorted(date_index[order], edges))[: len(times)]

    return (
        times,
        split(np.searchsorted(times, data.end_ns[rows])),
        split(np.searchsorted(times, data.time_ns[rows])),
    )


def _unscale(beta: Floats, centre: Floats, scale: Floats) -> Floats:
    """Coefficients of raw features, the constant last, from those of standardised features."""
    slope = beta[:-1] / scale
    return np.append(slope, beta[-1] - centre @ slope)


def _name_parameters(
    experts: Sequence[str], names: Sequence[str], lines: Floats, weights: Floats
) -> dict[str, float]:
    """Parameters by their names in the journal: coefficients as `expert:feature`, experts' weights as `weight:expert`."""
    coefficients = {
        f"{expert}:{name}": float(value)
        for expert, line in zip(experts, lines, strict=True)
        for name, value in zip(names, line, strict=True)
    }
    return coefficients | {
        f"weight:{expert}": float(weight) for expert, weight in zip(experts, weights, strict=True)
    }


def _record_move(
    old: Mapping[str, float],
    new: dict[str, float],
    at_ns: int,
    source: str,
    moves: list[ParameterMove],
) -> dict[str, float]:
    """Return the new state; append a line of what differs from the old one to `moves`, if anything does."""
    changes = {
        name: (old.get(name), value) for name, value in new.items() if old.get(name) != value
    }
    if changes:
        moves.append(ParameterMove(format_time(at_ns), source, changes))
    return new


def _with_parameters(part: BaseModel, state: Mapping[str, float]) -> BaseModel:
    """A part whose model is the mean line of a state's experts by their weights; with an empty state its forecasts are NaN."""
    if not state:
        none = np.full(len(part.used), np.nan)
        return replace(part, model=BoundedLinear(none, none, none, np.nan))
    experts = [expert for expert in EXPERTS if f"weight:{expert}" in state]
    names = [*(part.names[c] for c in part.used), "intercept"]
    lines = np.array([[state[f"{expert}:{name}"] for name in names] for expert in experts])
    mixed = np.array([state[f"weight:{expert}"] for expert in experts]) @ lines
    model = family(FAMILY).make(**part.model.get_params())
    arrays = {
        "coef_": mixed[:-1],
        "intercept_": mixed[-1],
        "n_features_in_": np.asarray(len(mixed) - 1),
    }
    return replace(part, model=model.from_arrays(arrays))
