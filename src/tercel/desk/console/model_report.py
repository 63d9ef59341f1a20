"""Types of a model's card."""

from dataclasses import dataclass
from typing import Literal

from tercel.desk.console.report_base import ReportPart


@dataclass(kw_only=True)
class Interval(ReportPart):
    """A mean and its 95 % interval; null: not known."""

    mean: float | None
    low: float | None
    high: float | None


@dataclass(kw_only=True)
class JudgedFigure(ReportPart):
    """A figure of a model's evaluation: market or sample, name, mean with its 95 % interval."""

    where: str
    what: str
    figure: Interval


@dataclass(kw_only=True)
class ModelCard(ReportPart):
    """Facts of a model from its card; `why`: the reason if the card is missing.

    `seen_until` is the last day of its data, "" if it saw no market data or the card does not say.
    """

    kind: Literal["policy", "forecast"]
    name: str
    used_by: list[str]
    hash: str
    version: str
    markets: list[str]
    trained_on: dict[str, str]
    seen_until: str
    judged_on: str
    judged: list[JudgedFigure]
    why: str
