"""What a posture asks for and why, as a table, sentences, a page and an object: now, for the daily prices of a book."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np

from tercel.core.messages import Posture
from tercel.core.report.page import Section, render
from tercel.core.report.svg import Figure
from tercel.core.report.tables import plain_table
from tercel.signals.risk.portfolio import Portfolio
from tercel.signals.risk.posture import PostureConfig, PosturePolicy, RiskState
from tercel.signals.risk.series import DailySeries
from tercel.signals.risk.volatility import LEAST_PAST, Ewma


def asked(posture: Posture) -> dict[str, float]:
    """What a posture asks for, in numbers."""
    size, most = posture.size_multiplier, posture.max_participation
    return {"urgency": posture.urgency, "max_participation": most, "size": size}


def changed(policy: PosturePolicy, now: Posture, minute: float = 0.0) -> list[dict[str, Any]]:
    """What the newest state changed, and what the posture asks for since."""
    styles = "+".join(str(style.name).lower() for style in now.styles)
    return [
        {"minute": minute, "what": what, **asked(now), "styles": styles} for what in policy.changed
    ]


@dataclass(frozen=True)
class PostureStory:
    """A posture and what led to it.

    Parameters
    ----------
    market : str
    headings, rows : sequences of str
        The table.
    changes : sequence of mappings
        See :func:`changed`.
    posture : Posture
        The last one.
    notes : sequence of str
    measured : mapping of str to object
        More keys of the object.
    figures : sequence of Figure
    """

    market: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    changes: Sequence[Mapping[str, Any]]
    posture: Posture
    notes: Sequence[str]
    measured: Mapping[str, Any] = field(default_factory=dict)
    figures: Sequence[Figure] = ()

    def to_json(self) -> dict[str, Any]:
        """The changes and the last posture as plain values."""
        last = asked(self.posture) | {"reasons": self.posture.reasons}
        told = {
            "market": self.market,
            "changes": self.changes,
            "notes": self.notes,
            "posture": last,
        }
        return told | dict(self.measured)

    def page(self) -> str:
        """The page of it."""
        table = plain_table(self.headings, self.rows, prose=True)
        lead, *others = self.notes
        return render("Posture", lead, [Section(self.market, others, table, self.figures)])


def of_book(book: Portfolio) -> PostureStory:
    """What a desk's rules would ask for tomorrow, from the volatility of a book's daily prices alone.

    Volatility is EWMA 0.94, tomorrow's over the median of all days so far. The rules' thresholds were measured on
    seconds.
    """
    series = DailySeries(
        "book", (*book.days, book.days[-1] + timedelta(days=1)), np.pad(book.earned(), 1)
    )
    sd = np.sqrt(Ewma().forecast(series, LEAST_PAST))
    usual = float(np.median(sd))
    ratio, as_high = float(sd[-1]) / usual, float(np.mean(sd >= sd[-1]))
    policy = PosturePolicy("the book", PostureConfig(required=("volatility_ratio",)))
    now = policy.update(RiskState("the book", 0, volatility_ratio=ratio), 0)
    names = book.names[0] if len(book.names) == 1 else f"{len(book.names)} names"
    measured = {
        "volatility": float(sd[-1]),
        "median_volatility": usual,
        "volatility_ratio": ratio,
        "days_as_volatile": as_high,
        "thresholds": "measured on seconds, not on days",
    }
    rows = [
        ("volatility tomorrow, a day", f"{sd[-1]:.2%}"),
        ("its median", f"{usual:.2%}"),
        ("ratio", f"{ratio:.2f}"),
        ("days that were as volatile", f"{as_high:.0%}"),
        *(
            (f"the desk's rules would ask: {key.replace('_', ' ')}", f"{value:g}")
            for key, value in asked(now).items()
        ),
    ]
    notes = (
        f"After {book.days[-1]} the volatility of {names} is {ratio:.2f} times its median.",
        "What the rules ask for was measured on seconds, not on days: nobody has measured what it is worth here.",
        "Depth and anomalies are no part of daily prices: a desk measures them by the second.",
    )
    return PostureStory(names, ("", "value"), rows, changed(policy, now), now, notes, measured)
