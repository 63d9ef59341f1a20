"""Roles of people at the console, and the least role that each permission requires.

Every route names its permission, once; `tests/api/console/test_roles.py` requests every path with every method as every
role.
"""

from typing import Final

from tercel.core.errors import check_known

VIEWER, TRADER, RISK, ADMIN = ROLES = ("viewer", "trader", "risk", "admin")
"""Roles from least to most: each has all permissions of those before it."""
PUBLIC: Final = "public"
"""Permission of routes that need no session: login and the page's files."""
LEAST_ROLE: Final = {
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
    "experiment": RISK,
    "limits": RISK,
    "posture": RISK,
    "confirm": RISK,
    "users": ADMIN,
}
"""Permission to the least role that has it."""


def check_role(role: object, source: str = "") -> str:
    """Return a role; UnknownNameError for what is not the name of one.

    Raises
    ------
    UnknownNameError
        For another word; it names `source` it was found.

    >>> check_role("risk")
    'risk'
    """
    check_known(role, ROLES, "a role, one of", f"{role!r}{source and f' of {source}'}")
    return str(role)


def has_permission(role: str, permission: str) -> bool:
    """Whether a role has a permission.

    >>> has_permission("viewer", "kill"), has_permission("trader", "kill"), has_permission("admin", "look")
    (False, True, True)
    """
    return ROLES.index(role) >= ROLES.index(LEAST_ROLE[permission])


def permissions(role: str) -> list[str]:
    """All permissions of a role.

    >>> permissions("viewer")
    ['look']
    """
    return [permission for permission in LEAST_ROLE if has_permission(role, permission)]
