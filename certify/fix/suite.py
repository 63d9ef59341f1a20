"""All cases of a profile, run one after the other."""

import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import lru_cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from pkgutil import iter_modules
from tempfile import TemporaryDirectory
from typing import Any, Final

from certify.fix.case import REGISTER, Bench, Case, LeftOutError, Planned, ordered, run
from certify.fix.outside import must_listen, order_of
from tercel.core import ConfigError, check_known, parse_toml
from tercel.fix import SHIPPED_PROFILES as SHIPPED, Address, ProfileTerms, load_profile as load
from tercel.venues import refuse_money, why_money

_WAY: Final = "see docs/results/certification.md"
_PACKAGE: Final = "certify.fix"
INSIDE: Final = "it needs the inside of the acceptor"
"""Why a case cannot be run at somebody else's acceptor."""


def all_cases() -> list[Planned]:
    """Every case of the package, in order.

    >>> all_cases()[0].id
    'S01'
    """
    for found in iter_modules(import_module(_PACKAGE).__path__):
        import_module(f"{_PACKAGE}.{found.name}")
    return ordered(REGISTER.values())


@lru_cache
def _table() -> dict[str, Any]:
    text = (files(_PACKAGE) / "exempt.toml").read_text(encoding="utf-8")
    return parse_toml(text, "exempt.toml", _WAY, "exempt cases")


def family(name: str, version: str) -> str:
    """The shipped profile that a profile is, or is built upon.

    >>> family("binance", "FIX.4.4"), family("no/such/file.cfg", "FIX.4.2")
    ('binance', 'generic-42')
    """
    while name not in SHIPPED:
        path = Path(name)
        raw = tomllib.loads(path.read_text(encoding="utf-8")) if path.suffix == ".toml" else {}
        base = raw.get("base")
        if not isinstance(base, str):
            return "generic-42" if version == "FIX.4.2" else "generic-44"
        name = base if base in SHIPPED else str(path.parent / base)
    return name


def reasons(name: str, version: str) -> dict[str, str]:
    """Which cases a profile leaves out, and why.

    >>> reasons("generic-42", "FIX.4.2")["S07"]
    'FIX 4.2 has no NextExpectedMsgSeqNum (789)'
    """
    whose = family(name, version)
    found: dict[str, str] = {}
    for one in _table()["exempt"]:
        if whose in one["profiles"]:
            said = f'; its document, "{one["section"]}": "{one["quote"]}"' if "quote" in one else ""
            found |= dict.fromkeys(one["ids"], one["reason"] + said)
    return dict(sorted(found.items()))


def certify(
    profile: str | ProfileTerms,
    address: Address | None = None,
    only: Sequence[str] = (),
    heard: Callable[[Case], None] = lambda _: None,
) -> dict[str, Any]:
    """Run every case that a profile leaves.

    Parameters
    ----------
    profile : str or ProfileTerms
        A shipped one, or a file.
    address : Address, optional
        Somebody else's acceptor; the system under test is then that, and the cases are those that need no access to it.
    only : sequence of str
        Ids of cases; all when empty.
    heard : callable
        Told of each case as it ends.

    Returns
    -------
    dict
        `cases`, `passed`, `failed`, `exempt`.

    Raises
    ------
    ConfigError
        For a profile or an id that is not known, a profile without a symbol to send orders for, and an address where
        the orders would move money.
    VenueError
        When nobody listens at the address.
    """
    terms = load(profile) if isinstance(profile, str) else profile
    planned, left_out = all_cases(), reasons(terms.name, terms.profile.version)
    known = sorted({one.id for one in planned})
    for name in only:
        check_known(name, known, said=f"the case {name}")
    wanted = [one for one in planned if not only or one.id in only]
    if address is not None:
        order_of(terms)
        if money := why_money(f"{'fix' if terms.tls() is None else 'fixs'}://{address}"):
            refuse_money(money)
        must_listen(address)
        wanted = [one for one in wanted if one.role == "acceptor"]
        outside = {one.id for one in wanted if one.outside}
        left_out |= {one.id: INSIDE for one in wanted if one.id not in outside | left_out.keys()}
        wanted = [one for one in wanted if one.outside]
    ended, documented = [], frozenset(left_out)
    for one in wanted:
        if one.id not in documented:
            try:
                ended.append(_run(one, terms, address))
                heard(ended[-1])
            except LeftOutError as error:
                left_out[one.id] = f"as {one.role}: {error}"
    exempt = [
        {"id": id_, "reason": why}
        for id_, why in sorted(left_out.items())
        if not only or id_ in only
    ]
    return {"cases": [asdict(one) for one in ended], **_counted(ended), "exempt": exempt}


def _run(planned: Planned, terms: ProfileTerms, address: Address | None) -> Case:
    with TemporaryDirectory(prefix="tercel-certify-") as folder:
        return run(planned, Bench(terms, Path(folder), address))


def _counted(ended: Iterable[Case]) -> dict[str, int]:
    passed = [one.passed for one in ended]
    return {"passed": sum(passed), "failed": len(passed) - sum(passed)}


def at(host: str, port: int) -> Address | None:
    """Where somebody else's acceptor listens; None: the system under test is ours.

    Raises
    ------
    ConfigError
        When half of it is given.
    """
    if not host and not port:
        return None
    if not host or not port:
        raise ConfigError(
            "`host=` and `port=`, or neither", f"`host={host!r}` `port={port}`", "give both"
        )
    return Address(host, port)
