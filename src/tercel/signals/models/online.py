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

A model that is served learns on by the same walk over the files as they are now (:func:`caught_up`): what it learns
depends on the date alone, not on when it was trained or served. One line of `updates.jsonl`, and of `served.jsonl` behind
it, is one date and source, each parameter with its old and its new value::

    {"at": "2016-05-02T20:30:00.000000000Z", "source": "daily", "moved": {"recursive:daily.ret_5": [-0.011, -0.012]}}
"""

import json
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import DataError, refuse_if
from tercel.core.files import LOCK, locked, write_atomic
from tercel.core.report.tables import spelt
from tercel.core.stats import clustered_se
from tercel.core.stats.inference import t_quantile
from tercel.signals.models.fusion import LEAST_ROWS, BaseModel, BoundedLinear
from tercel.signals.models.model_folder import AGAIN, SERVED, ParameterMove, SignalModel, family
from tercel.signals.models.skill import BLOCK, Skill, rank_ic_by_date, skill, stride
from tercel.signals.panel.panel import Dataset
from tercel.signals.runs.config import EXPERTS, USUAL, OnlineRule, TrainSection, Update

FAMILY: Final = "linear"
"""Family of a part that learns online, in a model folder."""


@dataclass(frozen=True, eq=False)
class Learned:
    """A walk of one source.

    Parameters
    ----------
    forecast : float64 (n,)
        Forecasts; NaN before the first, and where the source says nothing.
    said : float64 (n, K)
        Those of each expert.
    model : BaseModel
        With the parameters of the last date.
    moves : list of ParameterMove
        The journal: a line for every date on which a parameter moved.
    """

    forecast: Floats
    said: Floats
    model: BaseModel
    moves: list[ParameterMove]


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
    updated = weights * np.exp(losses.min() - losses)
    updated = updated / updated.sum()
    return np.asarray((1.0 - share) * updated + share / (len(updated) - 1) * (1.0 - updated))


def learn(data: Dataset, source: str, update: Update, rule: OnlineRule = USUAL) -> Learned:
    """Walk one source's line forward: at each date it learns from labels that have ended, and then forecasts.

    Raises
    ------
    DataError
        When the source says something on too few dates, or none of its columns varies by then.

    >>> from tercel.signals.sources.registry import synthetic_market
    >>> data = synthetic_market(1, instruments=20, days=120, strength=0.3).data
    >>> found = learn(data, "linear", "recursive")
    >>> int(np.isfinite(found.forecast).sum()), len(found.moves), sorted(found.moves[0].moved)
    (1340, 67, ['recursive:intercept', 'recursive:linear.a', 'weight:recursive'])
    """
    from tercel.signals.models.regressors import filled, scale_of

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
    forecast, said = np.full(data.n, np.nan), np.full((data.n, len(experts)), np.nan)
    window, fixed = deque[Floats](maxlen=rule.window), np.zeros((len(names), len(names) + 1))
    memory, state, moves = fixed, dict[str, float](), list[ParameterMove]()
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
        forecast[now] = full[now] @ (weights @ lines)[:-1] + (weights @ lines)[-1]
    part = BaseModel(
        source, FAMILY, tuple(data.names[c] for c in columns), used, medians, family(FAMILY).make()
    )
    return Learned(forecast, said, _set(part, state), moves)


def learn_all(
    data: Dataset, update: Update, rule: OnlineRule = USUAL
) -> tuple[Floats, list[BaseModel], list[ParameterMove]]:
    """Forecasts (n, K) of every source that ranks, their models, and the journal of all by date."""
    found = [learn(data, source, update, rule) for source in data.ranking]
    moves = sorted((line for one in found for line in one.moves), key=lambda line: line.at)
    return np.stack([one.forecast for one in found], axis=1), [one.model for one in found], moves


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
            f"a date from {first} on", stamp(at_ns)[:10], "the model had learned nothing by then"
        )
    return with_states(model, states)


def with_states(model: SignalModel, states: Mapping[str, Mapping[str, float]]) -> SignalModel:
    """The model with parameters by source and name; a source without any says nothing."""
    return replace(
        model, models=tuple(_set(one, states.get(one.source, {})) for one in model.models)
    )


def states_at(moves: Iterable[ParameterMove], at_ns: int) -> dict[str, dict[str, float]]:
    """Every parameter by source and name, as a journal has it at a moment.

    >>> lines = [ParameterMove(stamp(0), "a", {"w": (None, 1.0)}),
    ...          ParameterMove(stamp(9), "a", {"w": (1.0, 2.0)})]
    >>> states_at(lines, 8), states_at(lines, 9)
    ({'a': {'w': 1.0}}, {'a': {'w': 2.0}})
    """
    found, until = dict[str, dict[str, float]](), stamp(at_ns)
    for line in moves:
        if line.at <= until:
            found.setdefault(line.source, {}).update(
                {name: new for name, (_, new) in line.moved.items()}
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
    moves: list[ParameterMove],
) -> dict[str, float]:
    """The new state, with a line in the journal if anything differs."""
    moved = {name: (old.get(name), value) for name, value in new.items() if old.get(name) != value}
    if moved:
        moves.append(ParameterMove(stamp(at_ns), source, moved))
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
    arrays = {
        "coef_": mixed[:-1],
        "intercept_": mixed[-1],
        "n_features_in_": np.asarray(len(mixed) - 1),
    }
    return replace(part, model=model.from_arrays(arrays))


EVER: Final = np.iinfo(np.int64).max
LEVEL: Final = 0.01
"""One-sided probability of a false finding of drift, per test."""
SAME: Final = 1e-6
"""Relative difference up to which two walks are the same one, rounded in another way."""
LEAST_BLOCKS: Final = 4
"""Least number of blocks of dates since training for a test of drift."""


@dataclass(frozen=True)
class Drift(Skill):
    """Rank IC since training, and whether it is significantly below that of training.

    Parameters
    ----------
    t : float
        Of the difference to training.
    training : float
        Mean rank IC of training.
    drifted : bool

    >>> str(Drift(-0.03, -0.05, -0.01, -3.2, 40, 0.02, True))
    'Since training, 40 dates, its rank IC is -0.0300 [-0.0500, -0.0100], in training 0.0200 (t -3.2): it has drifted.'
    """

    training: float
    drifted: bool

    def __str__(self) -> str:
        """The comparison in a sentence."""
        said = "it has drifted" if self.drifted else "no significant drift"
        return (
            f"Since training, {self.dates} dates, its rank IC is {spelt(self, digits=4)}, in training "
            f"{self.training:.4f} (t {self.t:.1f}): {said}."
        )


@dataclass(frozen=True)
class Correction:
    """Difference between a walk over the current files and that of training.

    Parameters
    ----------
    source : str
        The source whose line differs most.
    since : str
        The date from which on.
    apart : float
        Deviation of the difference of the forecasts of its last line, over all rows, in their own deviations.

    >>> str(Correction("daily", "2016-05-02T21:30:00Z", 0.12))[:40]
    'daily has other prices than training saw'
    """

    source: str
    since: str
    apart: float

    def __str__(self) -> str:
        """The difference in a sentence."""
        return (
            f"{self.source} has other prices than training saw, in what it learned on {self.since[:10]} and after: it "
            f"continues with the current prices, whose line at training's end forecasts {self.apart:.2g} of a deviation "
            f"apart; scale, fusion and intervals are those of training. {AGAIN}"
        )

    def to_json(self) -> dict[str, Any]:
        """Fields as plain values for JSON."""
        return {"source": self.source, "from": self.since, "apart": self.apart}


@dataclass(frozen=True, eq=False)
class Since:
    """Events after a model's training, up to a date: outcomes, lines learned, drift.

    Parameters
    ----------
    model : SignalModel
        With the parameters of that date.
    moves : sequence of ParameterMove
        The journal of the whole walk to that date, as the files are now.
    lines : sequence of ParameterMove
        Lines that continue the model's journal; none where no parameter moved.
    drift : Drift, optional
        None where dates are too few.
    corrected : Correction, optional
        Difference if the current files give other parameters for training's dates than training learned.
    note : str
        Why nothing could be learned, that prices were corrected, and that it has drifted; else empty.
    """

    model: SignalModel
    moves: Sequence[ParameterMove] = ()
    lines: Sequence[ParameterMove] = ()
    drift: Drift | None = None
    corrected: Correction | None = None
    note: str = ""

    def keep(self) -> str:
        """Append the lines to those in the model's folder, rewriting a line that was cut short; returns what to say
        of that, and where it cannot be done.
        """
        if not self.model.online:
            return ""
        path, (journal, cut) = self.model.folder / SERVED, self.model.journal()
        try:
            if cut or further(journal, self.moves, self.model.id):
                with locked(
                    path.with_name(LOCK)
                ):  # by now another process may have learned the same, and written it
                    journal, again = self.model.journal()
                    lines = [
                        *(one for one in journal if one.model),
                        *further(journal, self.moves, self.model.id),
                    ]
                    write_atomic(path, "".join(f"{json.dumps(line.to_json())}\n" for line in lines))
                    cut = again or cut
        except OSError as error:
            failed = f"what was learned is not saved, and learned again next time: {path}: {error.strerror}"
            return "; ".join(filter(None, (cut, failed)))
        return cut

    def about(self) -> dict[str, Any]:
        """Dates on which it learned just now, drift, and whether prices were corrected."""
        return {
            "learned": [line.at for line in self.lines],
            "drift": self.drift and self.drift.to_json(),
            "corrected": self.corrected and self.corrected.to_json(),
        }

    def sentences(self) -> list[str]:
        """Sentences on dates learned and on a drift test without a finding; a drift is in the note."""
        days = sorted({line.at[:10] for line in self.lines})
        learned = [f"It learned on {len(days)} dates, to {days[-1]}: see {SERVED}."] if days else []
        return learned if self.drift is None or self.drift.drifted else [*learned, str(self.drift)]


def learns(model: SignalModel, train: TrainSection) -> bool:
    """Whether a model learns from labels that have ended since training; a line that is fitted once does not."""
    return model.online and train.update not in ("refit", "static")


def caught_up(model: SignalModel, past: Dataset, train: TrainSection) -> Since:
    """Events since training, by rows whose last date is to be forecast; open labels are NaN."""
    dates, _ = model.walked_ns
    new = (past.time_ns > max(dates, default=0)) & np.isfinite(past.outcome)
    forecast = model.part_forecasts({name: past.x[new, c] for c, name in enumerate(past.names)})
    moves, lines, corrected, note = list[ParameterMove](), list[ParameterMove](), None, ""
    if learns(model, train) and train.update != "refit":
        journal, at = model.updates(), int(past.time_ns[-1])
        try:
            found = {
                one.source: learn(past, one.source, train.update, train.online)
                for one in model.models
                if one.source in past.sources
            }
            moves = sorted(
                (line for one in found.values() for line in one.moves),
                key=lambda line: line.at,
            )
            lines = further(journal, moves, model.id)
            for k, one in enumerate(model.models):
                forecast[:, k] = (
                    found[one.source].forecast[new] if one.source in found else forecast[:, k]
                )
            corrected = corrected_of(model, past, journal, moves)
            model = with_states(model, states_at(journal, at) | states_at(moves, EVER))
        except DataError as error:
            moves, lines, model = [], [], as_of(model, at)
            note = f"nothing is learned since training: expected {error.expected}, received {error.received}"
    drift = drift_of(model.ic, model.fusion.combine(forecast)[0], past.rows(new))
    drifted = str(drift).rstrip(".") if drift is not None and drift.drifted else ""
    other = "" if corrected is None else str(corrected)
    return Since(
        model, moves, lines, drift, corrected, "; ".join(filter(None, (note, other, drifted)))
    )


def further(
    journal: Sequence[ParameterMove], moves: Sequence[ParameterMove], model: str
) -> list[ParameterMove]:
    """Lines that continue a model's journal to the end of a walk, each with the values of the line before it, of
    every source from its own last line on.

    Raises
    ------
    DataError
        Where the walk has other parameters than the journal: its features are others.

    >>> journal = [ParameterMove("1", "a", {"w": (None, 1.0)})]
    >>> further(journal, [*journal, ParameterMove("2", "a", {"w": (1.0, 3.0)})], "m")
    [ParameterMove(at='2', source='a', moved={'w': (1.0, 3.0)}, model='m')]
    """
    old, now = states_at(journal, EVER), dict[str, dict[str, float]]()
    last, lines = {line.source: line.at for line in journal}, list[ParameterMove]()
    for line in moves:
        source = line.source
        now.setdefault(source, {}).update({name: new for name, (_, new) in line.moved.items()})
        if set(now[source]) != set(old[source]):
            others = ", ".join(sorted(set(now[source]) ^ set(old[source])))
            raise DataError(
                f"the parameters that {source} had in training",
                f"others by the files: {others}",
                AGAIN,
            )
        moved = {
            name: (old[source][name], new)
            for name, new in now[source].items()
            if old[source][name] != new
        }
        if line.at > last[source] and moved:
            lines.append(ParameterMove(line.at, source, dict(moved), model))
            old[source] = dict(now[source])
    return lines


def corrected_of(
    model: SignalModel,
    past: Dataset,
    journal: Sequence[ParameterMove],
    moves: Sequence[ParameterMove],
) -> Correction | None:
    """Difference of a walk over the files as they are now from that of training; None where it is the same walk."""
    dates, _ = model.walked_ns
    until = int(dates[dates <= past.time_ns[-1]].max(initial=0))
    columns = {name: past.x[:, c] for c, name in enumerate(past.names)}
    then, now = (
        with_states(model, states_at(one, until)).part_forecasts(columns)
        for one in (journal, moves)
    )
    far = {
        one.source: float(np.nanstd(now[:, k] - then[:, k]) / np.nanstd(then[:, k]))
        for k, one in enumerate(model.models)
        if one.source in {line.source for line in moves}
    }
    source = max(far, key=far.__getitem__, default="")
    if not source or not far[source] > SAME:
        return None
    learned, taught = (
        {
            (line.at, name): new
            for line in one
            if line.source == source and line.at <= stamp(until)
            for name, (_, new) in line.moved.items()
        }
        for one in (journal, moves)
    )
    parted = (
        key[0]
        for key in sorted({*learned, *taught})
        if not math.isclose(learned.get(key, math.nan), taught.get(key, math.nan), rel_tol=SAME)
    )
    return Correction(source, next(parted, stamp(until)), far[source])


def drift_of(before: Skill | None, value: Floats, rows: Dataset) -> Drift | None:
    """Rank IC of forecasts since training beside that of training; None where dates are too few to tell.

    It has drifted where Student's t of the difference is below its quantile of `LEVEL`; errors are clustered by blocks
    of dates whose labels do not overlap, and the degrees of freedom are those of the blocks since training.
    """
    first = np.unique(rows.time_ns, return_index=True)[1]
    block = max(BLOCK, stride(rows.start_ns[first], rows.end_ns[first]))
    by_date = rank_ic_by_date(value, rows.outcome, rows.time_ns)
    by_date = by_date[np.isfinite(by_date)]
    blocks = -(-len(by_date) // block)
    if not before or not before.t or blocks < LEAST_BLOCKS:
        return None
    found = skill(by_date, np.random.default_rng(9), block=block)
    error = np.hypot(
        clustered_se(by_date, np.arange(len(by_date)) // block), before.mean / before.t
    )
    t = (found.mean - before.mean) / float(error) if error > 0 else 0.0
    drifted = bool(t < t_quantile(LEVEL, blocks - 1))
    return Drift(found.mean, found.ci_low, found.ci_high, t, found.dates, before.mean, drifted)
