"""Roles, and the least role of everything that can be done at the console: the one table.

Every route names its permission, once; `tests/api/console/test_roles.py` asks every path by every method as every role.
"""

from typing import Final

from tercel.core.names import check_known

VIEWER, TRADER, RISK, ADMIN = ROLES = ("viewer", "trader", "risk", "admin")
"""From least to most: who may do something, may do what those before may."""
PUBLIC: Final = "public"
"""Of routes that ask for no session: the way in."""
LEAST: Final = {
    "look": VIEWER,
    "kill": TRADER,
    "submit": TRADER,
    "pause": TRADER,
    "resume": TRADER,
    "amend": TRADER,
    "cancel": TRADER,
    "by_hand": TRADER,
    "acknowledge": TRADER,
    "rearm": RISK,
    "promote": RISK,
    "limits": RISK,
    "posture": RISK,
    "confirm": RISK,
    "users": ADMIN,
}
"""Permission to the least role that has it."""
TOLD: Final = {
    "look": "see everything that a page shows, change the own password, log out",
    "kill": "stop agents, a desk, or all of them, at once and alone",
    "submit": "submit a parent order, ask what it would cost",
    "pause": "pause a parent, or an agent, which then takes no other",
    "resume": "resume what is paused (not what is killed)",
    "amend": "change a parent's quantity, horizon or limit price",
    "cancel": "cancel a parent",
    "by_hand": "take a parent over, give and cancel its orders by hand, give it back",
    "acknowledge": "own an alert",
    "rearm": "ask to let killed agents trade again; a second person confirms",
    "promote": "ask to promote a challenger or to undo that; a second person confirms",
    "limits": "tighten limits at once; ask to loosen them; a second person confirms",
    "posture": "set a posture with an end; ask for one in the place of what risk says; a second person confirms",
    "confirm": "confirm or refuse what another person asked for",
    "users": "add and remove people, change their roles",
}
"""Permission in words, for the documentation."""


def check_role(role: object, where: str = "") -> str:
    """A role as it is spelled.

    Raises
    ------
    UnknownNameError
        For another word; it names `where` it stands.

    >>> check_role("risk")
    'risk'
    """
    check_known(role, ROLES, "a role, one of", f"{role!r}{where and f' of {where}'}")
    return str(role)


def may(role: str, permission: str) -> bool:
    """Whether a role has a permission.

    >>> may("viewer", "kill"), may("trader", "kill"), may("admin", "look")
    (False, True, True)
    """
    return ROLES.index(role) >= ROLES.index(LEAST[permission])


def permissions(role: str) -> list[str]:
    """All that a role may do.

    >>> permissions("viewer")
    ['look']
    """
    return [one for one in LEAST if may(role, one)]


def role_table() -> str:
    """The table of the documentation, Markdown: `docs/console.md` has it word for word."""
    rows = [f"| {TOLD[one]} | " + " | ".join("yes" if may(role, one) else "" for role in ROLES) + " |" for one in LEAST]
    return "\n".join([f"| May | {' | '.join(ROLES)} |", "|---|" + "---|" * len(ROLES), *rows])
