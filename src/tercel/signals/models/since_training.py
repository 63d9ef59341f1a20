"""What came after a model's training: labels that ended since and are learned, drift of its skill, corrected prices."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError
from tercel.core.files import write_atomic
from tercel.core.locks import LOCK, file_lock
from tercel.core.report.formatting import format_interval
from tercel.core.stats import clustered_se
from tercel.core.stats.quantiles import t_quantile
from tercel.signals.models.online import as_of, format_time, learn, states_at, with_states
from tercel.signals.models.signal_model import AGAIN, SERVED, ParameterMove, SignalModel
from tercel.signals.models.skill import BLOCK, Skill, rank_ic_by_date, skill, stride
from tercel.signals.panel.dataset import Dataset
from tercel.signals.runs.config import TrainSection

END_OF_TIME: Final = np.iinfo(np.int64).max
LEVEL: Final = 0.01
"""One-sided probability of a false finding of drift, per test."""
SAME_WALK: Final = 1e-6
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
        """Sentence with the rank IC since training, its interval, that of training, t, and whether it has drifted."""
        finding = "it has drifted" if self.drifted else "no significant drift"
        return (
            f"Since training, {self.dates} dates, its rank IC is {format_interval(self, digits=4)}, in training "
            f"{self.training:.4f} (t {self.t:.1f}): {finding}."
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
        """Sentence on which source has other prices, since when, how far its forecasts are apart, and what to do."""
        return (
            f"{self.source} has other prices than training saw, in what it learned on {self.since[:10]} and after: it "
            f"continues with the current prices, whose line at training's end forecasts {self.apart:.2g} of a deviation "
            f"apart; scale, fusion and intervals are those of training. {AGAIN}"
        )

    def to_json(self) -> dict[str, Any]:
        """Fields as plain values for JSON."""
        return {"source": self.source, "from": self.since, "apart": self.apart}


@dataclass(frozen=True, eq=False)
class SinceTraining:
    """What came after a model's training, up to a date: new lines of its journal, drift, corrected prices.

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

    def save(self) -> str:
        """Append the lines to those in the model's folder, and mend a line that was cut short; returns a note on such a
        line or on a failure to write, else an empty text.
        """
        if not self.model.online:
            return ""
        path = self.model.folder / SERVED
        journal, cut_note = self.model.journal()
        try:
            if cut_note or continuing_lines(journal, self.moves, self.model.id):
                with file_lock(
                    path.with_name(LOCK)
                ):  # by now another process may have learned the same, and written it
                    journal, newly_cut = self.model.journal()
                    lines = [
                        *(line for line in journal if line.model),
                        *continuing_lines(journal, self.moves, self.model.id),
                    ]
                    write_atomic(path, "".join(f"{json.dumps(line.to_json())}\n" for line in lines))
                    cut_note = newly_cut or cut_note
        except OSError as error:
            failed = f"what was learned is not saved, and learned again next time: {path}: {error.strerror}"
            return "; ".join(filter(None, (cut_note, failed)))
        return cut_note

    def about(self) -> dict[str, Any]:
        """Dates learned just now, drift, and whether prices were corrected, for JSON."""
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


def learns_after_training(model: SignalModel, train: TrainSection) -> bool:
    """Whether a model learns from labels that have ended since training; a line fitted once does not."""
    return model.online and train.update not in ("refit", "static")


def learn_since_training(model: SignalModel, past: Dataset, train: TrainSection) -> SinceTraining:
    """Learn from labels that ended since training, in memory, and test the model for drift; open labels are NaN."""
    dates, _ = model.walked_ns
    new = (past.time_ns > max(dates, default=0)) & np.isfinite(past.outcome)
    forecast = model.part_forecasts({name: past.x[new, c] for c, name in enumerate(past.names)})
    moves = list[ParameterMove]()
    lines = list[ParameterMove]()
    corrected = None
    note = ""
    if learns_after_training(model, train) and train.update != "refit":
        journal = model.updates()
        last_ns = int(past.time_ns[-1])
        try:
            walks = {
                part.source: learn(past, part.source, train.update, train.online)
                for part in model.models
                if part.source in past.sources
            }
            moves = sorted(
                (line for walk in walks.values() for line in walk.moves),
                key=lambda line: line.at,
            )
            lines = continuing_lines(journal, moves, model.id)
            for k, part in enumerate(model.models):
                forecast[:, k] = (
                    walks[part.source].forecast[new] if part.source in walks else forecast[:, k]
                )
            corrected = correction_of(model, past, journal, moves)
            model = with_states(model, states_at(journal, last_ns) | states_at(moves, END_OF_TIME))
        except DataError as error:
            moves = []
            lines = []
            model = as_of(model, last_ns)
            note = f"nothing is learned since training: expected {error.expected}, received {error.received}"
    drift = drift_of(model.ic, model.fusion.combine(forecast)[0], past.rows(new))
    drifted = str(drift).rstrip(".") if drift is not None and drift.drifted else ""
    correction_text = "" if corrected is None else str(corrected)
    return SinceTraining(
        model,
        moves,
        lines,
        drift,
        corrected,
        "; ".join(filter(None, (note, correction_text, drifted))),
    )


def continuing_lines(
    journal: Sequence[ParameterMove], moves: Sequence[ParameterMove], model: str
) -> list[ParameterMove]:
    """Lines that continue a model's journal to the end of a walk, each with the values of the line before it, of
    every source from its own last line on.

    Raises
    ------
    DataError
        Where the walk has other parameters than the journal: its features are others.

    >>> journal = [ParameterMove("1", "a", {"w": (None, 1.0)})]
    >>> continuing_lines(journal, [*journal, ParameterMove("2", "a", {"w": (1.0, 3.0)})], "m")
    [ParameterMove(at='2', source='a', moved={'w': (1.0, 3.0)}, model='m')]
    """
    old = states_at(journal, END_OF_TIME)
    current = dict[str, dict[str, float]]()
    last_at = {line.source: line.at for line in journal}
    lines = list[ParameterMove]()
    for line in moves:
        source = line.source
        current.setdefault(source, {}).update({name: new for name, (_, new) in line.moved.items()})
        if set(current[source]) != set(old[source]):
            others = ", ".join(sorted(set(current[source]) ^ set(old[source])))
            raise DataError(
                f"the parameters that {source} had in training",
                f"others by the files: {others}",
                AGAIN,
            )
        moved = {
            name: (old[source][name], new)
            for name, new in current[source].items()
            if old[source][name] != new
        }
        if line.at > last_at[source] and moved:
            lines.append(ParameterMove(line.at, source, dict(moved), model))
            old[source] = dict(current[source])
    return lines


def correction_of(
    model: SignalModel,
    past: Dataset,
    journal: Sequence[ParameterMove],
    moves: Sequence[ParameterMove],
) -> Correction | None:
    """Difference between the walk over the current files and that of training; None for the same walk."""
    dates, _ = model.walked_ns
    until = int(dates[dates <= past.time_ns[-1]].max(initial=0))
    columns = {name: past.x[:, c] for c, name in enumerate(past.names)}
    trained_forecasts, current_forecasts = (
        with_states(model, states_at(lines, until)).part_forecasts(columns)
        for lines in (journal, moves)
    )
    apart = {
        part.source: float(
            np.nanstd(current_forecasts[:, k] - trained_forecasts[:, k])
            / np.nanstd(trained_forecasts[:, k])
        )
        for k, part in enumerate(model.models)
        if part.source in {line.source for line in moves}
    }
    source = max(apart, key=apart.__getitem__, default="")
    if not source or not apart[source] > SAME_WALK:
        return None
    learned, relearned = (
        {
            (line.at, name): new
            for line in lines
            if line.source == source and line.at <= format_time(until)
            for name, (_, new) in line.moved.items()
        }
        for lines in (journal, moves)
    )
    differing_dates = (
        key[0]
        for key in sorted({*learned, *relearned})
        if not math.isclose(
            learned.get(key, math.nan), relearned.get(key, math.nan), rel_tol=SAME_WALK
        )
    )
    return Correction(source, next(differing_dates, format_time(until)), apart[source])


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
    recent = skill(by_date, np.random.default_rng(9), block=block)
    error = np.hypot(
        clustered_se(by_date, np.arange(len(by_date)) // block), before.mean / before.t
    )
    t = (recent.mean - before.mean) / float(error) if error > 0 else 0.0
    drifted = bool(t < t_quantile(LEVEL, blocks - 1))
    return Drift(recent.mean, recent.ci_low, recent.ci_high, t, recent.dates, before.mean, drifted)
