"""What people did, as the page tells it."""

from typing import Any

import pytest

from tercel.core.ports import Entry
from tercel.desk.console.operator_actions import describe_action
from tercel.desk.trading.journal import kinds


@pytest.mark.parametrize(
    ("command", "body", "told"),
    [
        ("pause_agent", {"agent": "ppo"}, "asked to pause ppo"),
        ("take_over", {"parent": "p1"}, "asked to take over p1"),
        (
            "submit",
            {"id": "p1", "side": 1, "lots": 1200, "instrument": "AAA", "horizon_ns": 600 * 10**9, "agent": "ppo"},
            "requested p1: buy 1,200 lots of AAA, 10 min, by ppo",
        ),
        (
            "posture",
            {"agent": None, "words": {"size_multiplier": 0.5, "styles": 5}, "span_ns": 3600 * 10**9},
            "asked to set a manual risk state, size 50 %, styles join, take, 60 min for the desk",
        ),
        ("posture", {"agent": "ppo", "lift": True}, "asked to end the manual risk state for ppo"),
        ("limits", {"act": "tighten", "changes": {"desk.messages": "10"}}, "asked to tighten limits: desk.messages 10"),
        ("order", {"parent": "p1", "lots": 5, "limit_price": 9.5}, "asked to send a manual order of p1: 5 lots, limit 9.5"),
        ("submit", {"id": [], "side": {}}, "asked to submit"),
        ("amend", {"parent": "p1", "horizon_ns": 10**400}, "asked to amend p1"),
        ("limits", {"act": "tighten", "changes": [[1, 2]]}, "asked to limits"),
        ("posture", {"words": {"urgency": "x"}}, "asked to posture"),
        ("own_alert", {"alert": 7}, "took alert 7 as their own"),
        ("kill", {"agents": []}, "asked to kill all agents"),
        ("kill", {"agents": ["peg", "ppo"]}, "asked to kill peg, ppo"),
    ],
)  # fmt: skip
def test_what_people_did_is_told_in_the_desks_words(
    command: str, body: dict[str, Any], told: str
) -> None:
    entry = Entry(
        kinds.OPERATOR, 1, body={"command": command, "body": body, "by": "ann", "reason": "x"}
    )
    assert describe_action(entry) == told
