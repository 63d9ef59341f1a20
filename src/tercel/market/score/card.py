"""Realism score of a preset as one mapping, the JSON of `tercel market score`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tercel.market.flow.port import Preset
from tercel.market.score.classifier import classifier_auc
from tercel.market.score.conditional import ConditionalReference
from tercel.market.score.realism import ScoreDraw, Simulated, realism
from tercel.market.score.tape import HeldOutTape, mean_of, rounded

IMPACT_KEYS: Final = (
    "exponent_size",
    "exponent_participation",
    "exponent_time",
    "level_2T",
    "level_3T",
)
JUDGED_MODEL: Final = "queue_reactive"
JUDGED_HOURS: Final = 2.0
"""The bars bind presets of the default model with this much tape to calibrate on and this much to hold out."""


def score(
    drawn: ScoreDraw,
    *,
    classifier: bool = True,
    impact: Mapping[str, Any] | None = None,
    conditional: bool = True,
) -> dict[str, Any]:
    """Score a preset against days of tape.

    Parameters
    ----------
    drawn : ScoreDraw
        Real and simulated stretches.
    classifier : bool
        Train the classifier (needs scikit-learn).
    impact : mapping, optional
        What an impact card found; its keys are None without.
    conditional : bool
        Distances given the spread and the time of day.

    Returns
    -------
    dict
        "model", "calibrated_on", "scored_on", "judged", "distances", "mean_l1", "floor_mean_l1",
        "pooled_floor_mean_l1", "interleaved_mean_l1", "interleaved_floor_mean_l1", "gates", "gates_train",
        "gates_level", "dynamics", "conditional", "classifier_auc", "classifier_auc_real", "impact", "prediction",
        "teaches", "seeds", "notes".
    """
    simulated, real = classifier_scores(drawn) if classifier else (None, None)
    found = _described(drawn.preset, drawn.tape, drawn.made, impact)
    given = conditional_table(drawn) if conditional else {}
    return found | {"conditional": given, "classifier_auc": simulated, "classifier_auc_real": real}


def score_by_card(preset: Preset, seeds: Sequence[int]) -> dict[str, Any]:
    """Score a preset against the held-out tape in its card, as far as a card allows.

    Raises
    ------
    ConfigError
        The card carries no tape.
    """
    tape = HeldOutTape.of_card(preset)
    found = _described(
        preset,
        tape,
        Simulated.like(tape, preset, seeds),
        preset.card.get("scores", {}).get("impact"),
    )
    return found | {"notes": [*found["notes"], BY_CARD]}


BY_CARD: Final = (
    "held against the tape on its card: Wasserstein, distances given the spread and the half hour, and the classifier "
    "need the days themselves, of a lake"
)


def _described(
    preset: Preset, tape: HeldOutTape, made: Simulated, impact: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A score without what needs the days."""
    return {
        "model": preset.model,
        "preset": preset.name,
        "calibrated_on": calibrated_on(preset),
        "scored_on": [one.label for one in tape.stretches],
        "judged": preset.model == JUDGED_MODEL and min(tape.hours) >= JUDGED_HOURS,
        **realism(tape, made),
        "conditional": {},
        "classifier_auc": None,
        "classifier_auc_real": None,
        "impact": {key: (impact or {}).get(key) for key in IMPACT_KEYS},
        "prediction": preset.card.get("prediction"),
        "teaches": preset.card.get("teaches"),
        "seeds": len(made.seen[0]),
        "notes": list(tape.notes),
    }


def keep(preset: Preset, tape: HeldOutTape, card: Mapping[str, Any]) -> Preset:
    """The preset with its scores, and the tape they were taken on, in its card."""
    return preset.model_copy(
        update={"card": {**preset.card, "scores": compact(card), "scored_tape": tape.to_card()}}
    )


def calibrated_on(preset: Preset) -> list[str]:
    """Calibration days of a preset's card, with the stretch where it is not the whole session."""
    card = preset.card
    start, end = card.get("window_s") or (card.get("from_s"), card.get("to_s"))
    days = [str(day) for day in card.get("days", [])]
    if start is None and end is None:
        return days
    return [
        f"{day} [{start or 0:g} to {'the close' if end is None else f'{end:g} s'}]" for day in days
    ]


def classifier_scores(drawn: ScoreDraw) -> tuple[float | None, float | None]:
    """Mean AUC of simulated against real, and of real train days against real test days."""
    simulated = [
        classifier_auc(seen, sims[i % len(sims)], drawn.clock_ns)
        for i, (seen, sims) in enumerate(zip(drawn.test_seen, drawn.sim_seen, strict=True))
    ]
    train = drawn.train_seen
    real = [
        classifier_auc(seen, train[i % len(train)], drawn.clock_ns)
        for i, seen in enumerate(drawn.test_seen)
        if train
    ]
    return mean_of(simulated), mean_of(real)


def conditional_table(drawn: ScoreDraw) -> dict[str, dict[str, float | None]]:
    """{"l1", "pooled_floor_l1"} given the spread and given the time of day, means over test days and seeds."""
    found: list[dict[str, float | None]] = []
    floor: list[dict[str, float | None]] = []
    for seen, sims in zip(drawn.test_seen, drawn.sim_seen, strict=True):
        reference = ConditionalReference(seen, drawn.clock_ns)
        found += [reference.l1([o]) for o in sims]
        floor += [reference.l1(drawn.train_seen)] if drawn.train_seen else []
    return {
        name: {
            "l1": mean_of(f[name] for f in found),
            "pooled_floor_l1": mean_of(f[name] for f in floor),
        }
        for name in found[0]
    }


def compact(card: Mapping[str, Any], digits: int = 4) -> dict[str, Any]:
    """A score reduced for a preset's card: figures rounded, secondary tables dropped."""
    kept = {
        key: value
        for key, value in card.items()
        if key
        not in {
            "conditional",
            "gates_train",
            "gates_level",
            "calibrated_on",
            "preset",
            "prediction",
            "teaches",
        }
    }
    kept["dynamics"] = {
        name: {key: row[key] for key in ("value", "real", "passed")}
        for name, row in card["dynamics"].items()
    }
    return {key: rounded(value, digits) for key, value in kept.items()}
