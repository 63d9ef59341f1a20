"""Somebody else's acceptor: the profile of a desk at it, what is heard of it, the order cases that it can be asked."""

from tests.waiting import until

from tercel.core import orders as o

ANYWHERE = ["O01", "O06", "O08", "O09", "O12", "O14", "O15", "O26", "O33"]
ELSEWHERE = """
base = "{base}"
[session]
sender = "DESK"
target = "{target}"
[[symbol]]
name = "{symbol}"
tick = "{tick}"
lot = {lot}
"""


def failed(found):
    """Which cases failed, and why."""
    return [
        f"{one['id']} as {one['role']}: {one['detail']}"
        for one in found["cases"]
        if not one["passed"]
    ]


def heard(venue, count, kind=o.Report):
    """Words of a kind, once there are so many."""
    found = []

    def enough():
        found.extend(event for event in venue.step(venue.now_ns + 10**8) if isinstance(event, kind))
        return len(found) >= count

    until(enough, what=f"{count} of {kind}")
    return found
