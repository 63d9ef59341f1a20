"""Types of pages of a journal: entries, alerts, and the explanation of a decision."""

from dataclasses import dataclass
from typing import Any

from tercel.desk.console.report import Alert
from tercel.desk.console.report_base import Numbered, ReportPart


@dataclass(kw_only=True)
class AlertPage(ReportPart):
    """Alerts of a desk and of its gate, newest first; `next`: what to give as `before` for those that came earlier."""

    alerts: list[Alert]
    next: int | None


@dataclass(kw_only=True)
class Why(ReportPart):
    """A decision, explained."""

    title: str
    sentences: list[str]
    tables: dict[str, dict[str, float | str | bool | None]]


@dataclass(kw_only=True)
class JournalLine(Numbered):
    """An entry of a journal."""

    kind: str
    instrument: str
    agent: str
    parent: str
    order: str
    body: dict[str, Any]


@dataclass(kw_only=True)
class JournalPage(ReportPart):
    """Entries of a journal; `next` is the `after` of the next page, null where this was the last."""

    entries: list[JournalLine]
    next: int | None
