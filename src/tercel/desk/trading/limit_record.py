"""Limits of a journal: those in force, and people's requests for others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tercel.core.ports import Entry
from tercel.desk.trading.journal.bodies import LimitsEntry

EXPIRES_NS: Final = 900 * 10**9
"""Venue time in which a request may be approved."""


@dataclass(frozen=True, slots=True)
class LimitRequest:
    """A request for other limits, as ``PATH: value`` (`limits.with_changes`)."""

    changes: Mapping[str, str]
    by: str
    reason: str
    ns: int
    was: Mapping[str, Any]
    """Values in force at these paths at the time of the request (`limits.values_at`)."""

    def open(self, now_ns: int) -> bool:
        """Whether the request may still be approved at a venue time."""
        return now_ns - self.ns <= EXPIRES_NS


class LimitRecord:
    """Fold of entries of kind `limits`: limits in force and open requests.

    Parameters
    ----------
    in_force : mapping or None
        `limits.limits_json` of the limits in force; None before the first session.
    hash : str
        Its name, "" before.
    requests : dict of int to LimitRequest
        Requests neither approved nor, by the last entry, expired: by number of the requesting entry.
    """

    def __init__(self) -> None:
        self.in_force: Mapping[str, Any] | None = None
        self.hash = ""
        self.requests: dict[int, LimitRequest] = {}

    def apply(self, entry: Entry) -> None:
        """Fold one entry of kind `limits`: add a request, or set the limits in force and close their request; drop expired
        requests."""
        body = LimitsEntry.of(entry)
        number = body.request or 0
        self.requests = {
            number: request for number, request in self.requests.items() if request.open(entry.ns)
        }
        if body.event == "requested":
            changes = body.changes or {}
            was = body.was or {}
            self.requests[number] = LimitRequest(changes, body.by, body.reason, entry.ns, was)
            return
        self.requests.pop(number, None)
        self.in_force = body.limits
        self.hash = body.hash
