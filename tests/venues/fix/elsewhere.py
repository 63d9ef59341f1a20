"""Somebody else's acceptor: the profile of a desk at it, the order cases that it can be asked, and what failed."""

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
    return [f"{one['id']} as {one['role']}: {one['detail']}" for one in found["cases"] if not one["passed"]]
