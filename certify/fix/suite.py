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

from certify.fix.case import REGISTER, Bench, Case, LeftOutError, PlannedCase, run, sort_cases
from certify.fix.outside import check_listens, order_of
from tercel.core import ConfigError, check_known, parse_toml
from tercel.fix import SHIPPED_PROFILES as SHIPPED, Address, ProfileTerms, load_profile as load
from tercel.venues import refuse_money, why_money

_REMEDY: Final = "see docs/results/certification.md"
_PACKAGE: Final = "certify.fix"
INSIDE: Final = "it needs the inside of the acceptor"
"""Why a case cannot be run at somebody else's acceptor."""


def all_cases() -> list[PlannedCase]:
    """Every case of the package, in order.

    >>> all_cases()[0].id
    'S01'
    """
    for module in iter_modules(import_module(_PACKAGE).__path__):
        import_module(f"{_PACKAGE}.{module.name}")
    return sort_cases(REGISTER.values())


@lru_cache
def _table() -> dict[str, Any]:
    text = (files(_PACKAGE) / "exempt.toml").read_text(encoding="utf-8")
    return parse_toml(text, "exempt.toml", _REMEDY, "exempt cases")


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
    base_profile = family(name, version)
    exempt_reasons: dict[str, str] = {}
    for exemption in _table()["exempt"]:
        if base_profile in exemption["profiles"]:
            quote = (
                f'; its document, "{exemption["section"]}": "{exemption["quote"]}"'
                if "quote" in exemption
                else ""
            )
            exempt_reasons |= dict.fromkeys(exemption["ids"], exemption["reason"] + quote)
    return dict(sorted(exempt_reasons.items()))


def certify(
    profile: str | ProfileTerms,
    address: Address | None = None,
    only: Sequence[str] = (),
    on_case: Callable[[Case], None] = lambda _: None,
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
    on_case : callable
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
    planned = all_cases()
    left_out = reasons(terms.name, terms.profile.version)
    known = sorted({planned_case.id for planned_case in planned})
    for name in only:
        check_known(name, known, received=f"the case {name}")
    wanted = [planned_case for planned_case in planned if not only or planned_case.id in only]
    if address is not None:
        order_of(terms)
        if money := why_money(f"{'fix' if terms.tls() is None else 'fixs'}://{address}"):
            refuse_money(money)
        check_listens(address)
        wanted = [planned_case for planned_case in wanted if planned_case.role == "acceptor"]
        outside = {planned_case.id for planned_case in wanted if planned_case.outside}
        left_out |= {
            planned_case.id: INSIDE
            for planned_case in wanted
            if planned_case.id not in outside | left_out.keys()
        }
        wanted = [planned_case for planned_case in wanted if planned_case.outside]
    ended = []
    documented = frozenset(left_out)
    for planned_case in wanted:
        if planned_case.id not in documented:
            try:
                ended.append(_run(planned_case, terms, address))
                on_case(ended[-1])
            except LeftOutError as error:
                left_out[planned_case.id] = f"as {planned_case.role}: {error}"
    exempt = [
        {"id": id_, "reason": reason}
        for id_, reason in sorted(left_out.items())
        if not only or id_ in only
    ]
    return {
        "cases": [asdict(ended_case) for ended_case in ended],
        **_count_results(ended),
        "exempt": exempt,
    }


def _run(planned: PlannedCase, terms: ProfileTerms, address: Address | None) -> Case:
    with TemporaryDirectory(prefix="tercel-certify-") as folder:
        return run(planned, Bench(terms, Path(folder), address))


def _count_results(ended: Iterable[Case]) -> dict[str, int]:
    passed = [ended_case.passed for ended_case in ended]
    return {"passed": sum(passed), "failed": len(passed) - sum(passed)}


def acceptor_address(host: str, port: int) -> Address | None:
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
