"""Scores, predictions and fill lessons as a preset's card stores them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec

from tercel.market.flow.port import Preset
from tercel.market.score.realism_gates import ScoreGate


@dataclass(frozen=True)
class CardRow:
    """A measure on a market's card (:mod:`tercel.market.score.card_rows`); None where it is not known."""

    kind: str
    measure: str
    simulated: float | None
    recorded: float | None
    ceiling: float | None
    share: float | None

    @property
    def ratio(self) -> float | None:
        """Simulated over recorded figure, below 0 where their signs differ; None where either is not known, or recorded is 0.

        >>> CardRow("figure", "mark-out", -0.5, 2.0, None, None).ratio
        -0.25
        """
        if self.kind != "figure" or self.simulated is None or not self.recorded:
            return None
        return self.simulated / self.recorded


@dataclass(frozen=True)
class StoredScores:
    """Scores on a card as :func:`compact` writes them, without fields that no table shows."""

    judged: bool = False
    mean_l1: float | None = None
    floor_mean_l1: float | None = None
    pooled_floor_mean_l1: float | None = None
    classifier_auc: float | None = None
    gates: Mapping[str, ScoreGate] = field(default_factory=dict)
    dynamics: Mapping[str, ScoreGate] = field(default_factory=dict)
    rows: Sequence[CardRow] = ()

    @classmethod
    def of(cls, preset: Preset) -> Self:
        """Read a preset's card; all fields are empty if it was never scored."""
        return msgspec.convert(preset.card.get("scores") or {}, cls)


class RankCorrelation(msgspec.Struct):
    """Spearman's correlation of simulated and tape costs, its interval, and the tape's with itself."""

    mean: float | None
    ci_low: float | None
    ci_high: float | None
    ceiling: float | None


class Signs(msgspec.Struct):
    """Pairs of strategies that differ significantly on tape, and the share of them that simulation orders alike."""

    told: int
    agree: float | None


class StoredPrediction(msgspec.Struct):
    """Prediction on a card as `tercel market predict` writes it, without fields that no table shows."""

    days: list[str]
    strategies: int
    spearman: RankCorrelation
    spearman_resting: RankCorrelation
    signs: Signs


class FigurePair(msgspec.Struct):
    """A figure simulated, and on tape."""

    simulated: float | None
    tape: float | None


class StoredLessons(msgspec.Struct):
    """Result of `tercel market fills` on a card: by seconds, shares filled, mark-outs and R²; rows of checks."""

    carry: float | None = None
    filled: dict[str, FigurePair] | None = None
    markouts_bps: dict[str, FigurePair] | None = None
    horizons: dict[str, FigurePair] | None = None
    rows: tuple[CardRow, ...] = ()


def stored_prediction(stored: Any) -> StoredPrediction | None:
    """The prediction that a score or a preset's card has; None if it has none."""
    return msgspec.convert(stored, StoredPrediction) if stored else None


def stored_lessons(stored: Any) -> StoredLessons | None:
    """Result of `tercel market fills` in a score or on a preset's card; None if missing."""
    return msgspec.convert(stored, StoredLessons) if stored else None
