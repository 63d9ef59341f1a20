"""Posture of a desk's rules for tomorrow's volatility of a book: the rules that changed it, as JSON and as a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np

from tercel.core.messages import Posture
from tercel.core.report.page import Section, render_page
from tercel.core.report.svg import Figure
from tercel.core.report.tables import plain_table
from tercel.signals.risk.portfolio import Portfolio
from tercel.signals.risk.ports import DailySeries
from tercel.signals.risk.posture import PostureConfig, PosturePolicy, RiskState
from tercel.signals.risk.volatility import LEAST_PAST, Ewma


def posture_limits(posture: Posture) -> dict[str, float]:
    """Urgency, participation cap and size multiplier of a posture, by name."""
    return {
        "urgency": posture.urgency,
        "max_participation": posture.max_participation,
        "size": posture.size_multiplier,
    }


def posture_changes(
    policy: PosturePolicy, posture: Posture, minute: float = 0.0
) -> list[dict[str, Any]]:
    """Rows of the rules that the newest state brought into force or lifted, with the limits from then on."""
    styles = "+".join(str(style.name).lower() for style in posture.styles)
    return [
        {"minute": minute, "what": change, **posture_limits(posture), "styles": styles}
        for change in policy.changes
    ]


@dataclass(frozen=True)
class PostureStory:
    """A posture and the changes that led to it.

    Parameters
    ----------
    market : str
    headings, rows : sequences of str
        The table.
    changes : sequence of mappings
        See :func:`posture_changes`.
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
        last = posture_limits(self.posture) | {"reasons": self.posture.reasons}
        story = {
            "market": self.market,
            "changes": self.changes,
            "notes": self.notes,
            "posture": last,
        }
        return story | dict(self.measured)

    def page(self) -> str:
        """HTML page of the posture and its changes."""
        table = plain_table(self.headings, self.rows, prose=True)
        lead, *others = self.notes
        return render_page("Risk state", lead, [Section(self.market, others, table, self.figures)])


def posture_of_book(book: Portfolio) -> PostureStory:
    """Posture of a desk's rules for tomorrow, from the volatility of a book's daily prices alone.

    Volatility is EWMA 0.94, tomorrow's over the median of all days so far. The rules' thresholds were measured on
    seconds.
    """
    series = DailySeries(
        "book", (*book.days, book.days[-1] + timedelta(days=1)), np.pad(book.book_returns(), 1)
    )
    sd = np.sqrt(Ewma().forecast(series, LEAST_PAST))
    usual = float(np.median(sd))
    ratio = float(sd[-1]) / usual
    as_high = float(np.mean(sd >= sd[-1]))
    policy = PosturePolicy("the book", PostureConfig(required=("volatility_ratio",)))
    posture = policy.update(RiskState("the book", 0, volatility_ratio=ratio), 0)
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
            for key, value in posture_limits(posture).items()
        ),
    ]
    notes = (
        f"After {book.days[-1]} the volatility of {names} is {ratio:.2f} times its median.",
        "What the rules ask for was measured on seconds, not on days: its worth here has not been measured.",
        "Depth and anomalies are no part of daily prices: a desk measures them by the second.",
        *book.notes,
    )
    return PostureStory(
        names, ("", "value"), rows, posture_changes(policy, posture), posture, notes, measured
    )
