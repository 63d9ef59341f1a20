"""The score of a preset as one mapping, the shape that `tercel market score --json` prints."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from tercel.market.flow.preset import Preset
from tercel.market.score.classifier import told_apart
from tercel.market.score.conditional import ConditionalReference
from tercel.market.score.realism import Drawn, realism

IMPACT_KEYS: Final = ("exponent_size", "exponent_participation", "exponent_time", "level_2T", "level_3T")
JUDGED_MODEL: Final = "queue_reactive"
JUDGED_HOURS: Final = 2.0
"""The bars bind presets of the default model with this much tape to calibrate on and this much to hold out."""


def score(
    drawn: Drawn, *, classifier: bool = True, impact: Mapping[str, Any] | None = None, conditional: bool = True
) -> dict[str, Any]:
    """Score a preset.

    Parameters
    ----------
    drawn : Drawn
        Real and simulated stretches.
    classifier : bool
        Train the classifier (needs scikit-learn).
    impact : mapping, optional
        What `market.impact.card.impact_card` found; its keys are None without.
    conditional : bool
        Distances given the spread and the time of day.

    Returns
    -------
    dict
        "model", "calibrated_on", "scored_on", "judged", "distances", "mean_l1", "floor_mean_l1",
        "pooled_floor_mean_l1", "interleaved_floor_mean_l1", "gates", "gates_train", "conditional", "classifier_auc",
        "classifier_auc_real", "impact", "seeds", "notes".
    """
    preset = drawn.preset
    simulated, real = classifier_scores(drawn) if classifier else (None, None)
    return {
        "model": preset.model,
        "preset": preset.name,
        "calibrated_on": calibrated_on(preset),
        "scored_on": [day.label for day in drawn.test_days],
        "judged": is_judged(drawn),
        **realism(drawn),
        "conditional": conditional_table(drawn) if conditional else {},
        "classifier_auc": simulated,
        "classifier_auc_real": real,
        "impact": {key: (impact or {}).get(key) for key in IMPACT_KEYS},
        "seeds": len(drawn.sims[0]),
        "notes": notes(drawn),
    }


def calibrated_on(preset: Preset) -> list[str]:
    """Days of the preset's card, with the stretch where it is not the whole session."""
    card = preset.card
    start, end = card.get("window_s") or (card.get("from_s"), card.get("to_s"))
    days = [str(day) for day in card.get("days", [])]
    if start is None and end is None:
        return days
    return [f"{day} [{start or 0:g} to {'the close' if end is None else f'{end:g} s'}]" for day in days]


def is_judged(drawn: Drawn) -> bool:
    """Whether the bars bind this preset on these days."""
    hours = [sum(o.seconds for o in seen) / 3600.0 for seen in (drawn.train_seen, drawn.test_seen)]
    return drawn.preset.model == JUDGED_MODEL and min(hours) >= JUDGED_HOURS


def classifier_scores(drawn: Drawn) -> tuple[float | None, float | None]:
    """Mean AUC of simulated against real, and of real train days against real test days."""
    simulated = [
        told_apart(seen, sims[i % len(sims)], drawn.clock_ns)
        for i, (seen, sims) in enumerate(zip(drawn.test_seen, drawn.sim_seen, strict=True))
    ]
    train = drawn.train_seen
    real = [told_apart(seen, train[i % len(train)], drawn.clock_ns) for i, seen in enumerate(drawn.test_seen) if train]
    return _mean(simulated), _mean(real)


def conditional_table(drawn: Drawn) -> dict[str, dict[str, float | None]]:
    """{"l1", "pooled_floor_l1"} given the spread and given the time of day, means over test days and seeds."""
    found: list[dict[str, float | None]] = []
    floor: list[dict[str, float | None]] = []
    for seen, sims in zip(drawn.test_seen, drawn.sim_seen, strict=True):
        reference = ConditionalReference(seen, drawn.clock_ns)
        found += [reference.l1([o]) for o in sims]
        floor += [reference.l1(drawn.train_seen)] if drawn.train_seen else []
    return {
        name: {"l1": _mean([f[name] for f in found]), "pooled_floor_l1": _mean([f[name] for f in floor])}
        for name in found[0]
    }


def _mean(values: Sequence[float | None]) -> float | None:
    given = [v for v in values if v is not None]
    return float(np.mean(given)) if given else None


def notes(drawn: Drawn) -> list[str]:
    """What a reader of the score has to know about its days."""
    said = []
    halts = {day.label: seen.counts["halts"] for day, seen in zip(drawn.test_days, drawn.test_seen, strict=True)}
    said += [f"{label}: {n} halts, left out" for label, n in halts.items() if n]
    clears = {day.label: seen.counts["clears"] for day, seen in zip(drawn.test_days, drawn.test_seen, strict=True)}
    said += [f"{label}: the book was cleared {n} times, each a gap" for label, n in clears.items() if n]
    if not drawn.train:
        said.append("no day of its calibration is in the lake: no floors")
    window = max(seen.window for seen in drawn.test_seen)
    if window:
        said.append(f"the feed shows {window} levels: the simulated market is read through as many")
    return said


def compact(card: Mapping[str, Any], digits: int = 4) -> dict[str, Any]:
    """A score small enough to be kept in a preset's card: figures rounded, tables of second rank left out."""
    kept = {
        key: value
        for key, value in card.items()
        if key not in {"conditional", "gates_train", "calibrated_on", "preset"}
    }
    return {key: _rounded(value, digits) for key, value in kept.items()}


def _rounded(value: Any, digits: int) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item, digits) for item in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value
