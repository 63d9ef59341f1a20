"""What has come since a model was trained: what it learns from it when it is served, and whether it has drifted.

    since = caught_up(model, past, config.train)      `past` ends with the rows of the date that is to be forecast
    since.model                                       with the parameters of that date, as a training to it would have
    since.keep()                                      its lines behind the journal: `served.jsonl`

The walk is that of training, over the files as they are now: what is learned depends on the date alone, not on when
the model was trained or which dates were served between. The journal of training stays as it was written.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError
from tercel.core.files import LOCK, locked, write_atomic
from tercel.core.report.tables import spelt_cell
from tercel.core.stats import clustered_se
from tercel.core.stats.inference import t_quantile
from tercel.signals.model_folder import AGAIN, SERVED, SignalModel
from tercel.signals.online import as_of, learn, stamp, states_at, with_states
from tercel.signals.panel.dataset import Dataset
from tercel.signals.runs.config import TrainSection
from tercel.signals.scores import BLOCK, rank_ic_by_date, skill, stride

EVER: Final = np.iinfo(np.int64).max
LEVEL: Final = 0.01
"""Chance that a model which has not drifted is said to have, one-sided, a look."""
SAME: Final = 1e-6
"""Relative difference up to which two walks are the same one, rounded in another way."""
LEAST_BLOCKS: Final = 4
"""Of dates since training, below which nothing is said of drift."""


@dataclass(frozen=True, eq=False)
class Since:
    """What came after a model's training, up to a date.

    Parameters
    ----------
    model : SignalModel
        With the parameters of that date.
    moves : sequence of mapping
        The journal of the whole walk to that date, as the files are now.
    lines : sequence of mapping
        By which the model's journal goes on; none where no parameter moved.
    drift : mapping, optional
        Rank IC over these dates beside that of training: `mean`, `ci_low`, `ci_high`, `dates`, `training`, `t` of the
        difference, `drifted`; None where they are too few.
    corrected : mapping, optional
        Where the files now teach other parameters of training's dates than training learned, as :func:`corrected_of`.
    note : str
        Why nothing could be learned, that prices were corrected, and that it has drifted; else empty.
    """

    model: SignalModel
    moves: Sequence[Mapping[str, Any]] = ()
    lines: Sequence[Mapping[str, Any]] = ()
    drift: Mapping[str, Any] | None = None
    corrected: Mapping[str, Any] | None = None
    note: str = ""

    def keep(self) -> str:
        """Write the lines behind those in the model's folder, and a line that was cut short anew; returns what to say
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
                        *(one for one in journal if "model" in one),
                        *further(journal, self.moves, self.model.id),
                    ]
                    write_atomic(path, "".join(f"{json.dumps(line)}\n" for line in lines))
                    cut = again or cut
        except OSError as error:
            kept = f"what was learned is not kept, and learned again next time: {path}: {error.strerror}"
            return "; ".join(filter(None, (cut, kept)))
        return cut

    def about(self) -> dict[str, Any]:
        """Dates on which it learned just now, drift, and whether prices were corrected."""
        return {
            "learned": [line["at"] for line in self.lines],
            "drift": self.drift,
            "corrected": self.corrected,
        }

    def sentences(self) -> list[str]:
        """What was learned, and that no drift can be told; that it has drifted is in the note."""
        days = sorted({line["at"][:10] for line in self.lines})
        told = [f"It learned on {len(days)} dates, to {days[-1]}: see {SERVED}."] if days else []
        return (
            told
            if self.drift is None or self.drift["drifted"]
            else [*told, spelt_drift(self.drift)]
        )


def learns(model: SignalModel, train: TrainSection) -> bool:
    """Whether labels that have ended since training teach it anything: a line that is fitted once is fitted once."""
    return model.online and train.update not in ("refit", "static")


def caught_up(model: SignalModel, past: Dataset, train: TrainSection) -> Since:
    """What came since training, in rows of which the last date's are to be forecast; labels that are open are NaN."""
    dates, _ = model.walked_ns
    new = (past.time_ns > max(dates, default=0)) & np.isfinite(past.outcome)
    told = model.told({name: past.x[new, c] for c, name in enumerate(past.names)})
    moves, lines, corrected, note = list[dict[str, Any]](), list[dict[str, Any]](), None, ""
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
                key=lambda line: str(line["at"]),
            )
            lines = further(journal, moves, model.id)
            for k, one in enumerate(model.models):
                told[:, k] = found[one.source].told[new] if one.source in found else told[:, k]
            corrected = corrected_of(model, past, journal, moves)
            model = with_states(model, states_at(journal, at) | states_at(moves, EVER))
        except DataError as error:
            moves, lines, model = [], [], as_of(model, at)
            note = f"nothing is learned since training: expected {error.expected}, received {error.received}"
    drift = drift_of(model.card.get("ic"), model.fusion.combine(told)[0], past.rows(new))
    drifted = spelt_drift(drift).rstrip(".") if drift is not None and drift["drifted"] else ""
    other = "" if corrected is None else spelt_correction(corrected)
    return Since(
        model, moves, lines, drift, corrected, "; ".join(filter(None, (note, other, drifted)))
    )


def further(
    journal: Sequence[Mapping[str, Any]], moves: Sequence[Mapping[str, Any]], model: str
) -> list[dict[str, Any]]:
    """Lines by which a model's journal goes on to where a walk has led, each with the values of the line before it, of
    every source from its own last line on.

    Raises
    ------
    DataError
        Where the walk has other parameters than the journal: its features are others.

    >>> journal = [{"at": "1", "source": "a", "moved": {"w": [None, 1.0]}}]
    >>> moves = [{"at": "1", "source": "a", "moved": {"w": [None, 1.0]}},
    ...          {"at": "2", "source": "a", "moved": {"w": [1.0, 3.0]}}]
    >>> further(journal, moves, "m")
    [{'at': '2', 'source': 'a', 'moved': {'w': [1.0, 3.0]}, 'model': 'm'}]
    """
    old, now = states_at(journal, EVER), dict[str, dict[str, float]]()
    last, lines = {line["source"]: line["at"] for line in journal}, list[dict[str, Any]]()
    for line in moves:
        source = line["source"]
        now.setdefault(source, {}).update({name: new for name, (_, new) in line["moved"].items()})
        if set(now[source]) != set(old[source]):
            others = ", ".join(sorted(set(now[source]) ^ set(old[source])))
            raise DataError(
                f"the parameters that {source} had in training",
                f"others by the files: {others}",
                AGAIN,
            )
        moved = {
            name: [old[source][name], new]
            for name, new in now[source].items()
            if old[source][name] != new
        }
        if line["at"] > last[source] and moved:
            lines.append({"at": line["at"], "source": source, "moved": moved, "model": model})
            old[source] = dict(now[source])
    return lines


def corrected_of(
    model: SignalModel,
    past: Dataset,
    journal: Sequence[Mapping[str, Any]],
    moves: Sequence[Mapping[str, Any]],
) -> dict[str, Any] | None:
    """Where a walk over the files as they are now differs from that of training: the `source` whose line does most,
    the date `from` which on, and how far the forecasts of its last line are `apart`, in their deviation, over all rows;
    None where it is the same walk.
    """
    dates, _ = model.walked_ns
    until = int(dates[dates <= past.time_ns[-1]].max(initial=0))
    columns = {name: past.x[:, c] for c, name in enumerate(past.names)}
    then, now = (
        with_states(model, states_at(one, until)).told(columns) for one in (journal, moves)
    )
    far = {
        one.source: float(np.nanstd(now[:, k] - then[:, k]) / np.nanstd(then[:, k]))
        for k, one in enumerate(model.models)
        if one.source in {line["source"] for line in moves}
    }
    source = max(far, key=far.__getitem__, default="")
    if not source or not far[source] > SAME:
        return None
    learned, taught = (
        {
            (line["at"], name): new
            for line in one
            if line["source"] == source and line["at"] <= stamp(until)
            for name, (_, new) in line["moved"].items()
        }
        for one in (journal, moves)
    )
    parted = (
        key[0]
        for key in sorted({*learned, *taught})
        if not math.isclose(learned.get(key, math.nan), taught.get(key, math.nan), rel_tol=SAME)
    )
    return {"source": source, "from": next(parted, stamp(until)), "apart": far[source]}


def spelt_correction(corrected: Mapping[str, Any]) -> str:
    """A correction in words.

    >>> spelt_correction({"source": "daily", "from": "2016-05-02T21:30:00Z", "apart": 0.12})[:40]
    'daily has other prices than training saw'
    """
    return (
        f"{corrected['source']} has other prices than training saw, in what it learned on {corrected['from'][:10]} and "
        f"after: it goes on by those of now, whose line at training's end forecasts {corrected['apart']:.2g} of a "
        f"deviation apart; scale, fusion and intervals are of those of before. {AGAIN}"
    )


def drift_of(
    before: Mapping[str, Any] | None, value: Floats, rows: Dataset
) -> dict[str, Any] | None:
    """Rank IC of forecasts since training beside that of training; None where dates are too few to tell.

    It has drifted where Student's t of the difference is below its quantile of `LEVEL`; errors are clustered by blocks
    of dates whose labels do not overlap, and the degrees of freedom are those of the blocks since training.
    """
    first = np.unique(rows.time_ns, return_index=True)[1]
    block = max(BLOCK, stride(rows.start_ns[first], rows.end_ns[first]))
    by_date = rank_ic_by_date(value, rows.outcome, rows.time_ns)
    by_date = by_date[np.isfinite(by_date)]
    blocks = -(-len(by_date) // block)
    if not before or not before["t"] or blocks < LEAST_BLOCKS:
        return None
    found = skill(by_date, np.random.default_rng(9), block=block)
    error = np.hypot(
        clustered_se(by_date, np.arange(len(by_date)) // block), before["mean"] / before["t"]
    )
    t = (found.mean - before["mean"]) / float(error) if error > 0 else 0.0
    return {
        **found.to_json(),
        "training": before["mean"],
        "t": t,
        "drifted": bool(t < t_quantile(LEVEL, blocks - 1)),
    }


def spelt_drift(drift: Mapping[str, Any]) -> str:
    """Drift in words.

    >>> cell = {"mean": -0.03, "ci_low": -0.05, "ci_high": -0.01, "dates": 40, "training": 0.02, "t": -3.2}
    >>> spelt_drift(cell | {"drifted": True})
    'Since training, 40 dates, its rank IC is -0.0300 [-0.0500, -0.0100], in training 0.0200 (t -3.2): it has drifted.'
    """
    said = "it has drifted" if drift["drifted"] else "no drift that can be told"
    return (
        f"Since training, {drift['dates']} dates, its rank IC is {spelt_cell(drift, digits=4)}, in training "
        f"{drift['training']:.4f} (t {drift['t']:.1f}): {said}."
    )
