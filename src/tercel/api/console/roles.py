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
