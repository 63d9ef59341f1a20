"""The profile under test, spoken to a peer of this machine."""

from dataclasses import replace
from typing import Final

from tercel.fix import Dictionary, ProfileTerms, SymbolTable, tercel_dictionary as own_dictionary

NAMES: Final = ("VENUE", "DESK")
"""CompIDs of an acceptor and of an initiator in certification."""


_MARKET: Final = ("V", "W", "X", "Y")


def with_market(dictionary: Dictionary) -> Dictionary:
    """A dictionary of orders with the standard's market data, which at that venue has a session of its own.

    >>> with_market(own_dictionary("FIX.4.4")) is own_dictionary("FIX.4.4")
    True
    """
    if "V" in dictionary.messages:
        return dictionary
    standard = own_dictionary(dictionary.version)
    messages = {kind: standard.messages[kind] for kind in _MARKET}
    kinds = dictionary.fields[35]
    fields = {tag: standard.fields[tag] for rule in messages.values() for tag in rule.block.tags}
    fields |= dictionary.fields
    fields[35] = replace(
        kinds, values=frozenset({*kinds.values, *_MARKET}) if kinds.values else kinds.values
    )
    return replace(dictionary, messages=messages | dict(dictionary.messages), fields=fields)


def initiator_terms(terms: ProfileTerms, **session: object) -> ProfileTerms:
    """A profile as it speaks to a scripted acceptor: without TLS, without secrets, with names of its own.

    Where the venue's dictionary is not named, the standard's stands in, and header fields that it lacks are left out.

    Parameters
    ----------
    terms : ProfileTerms
    **session
        What else its [session] says; `times` is its [times].

    >>> from tercel.fix.profiles import load
    >>> initiator_terms(load("binance")).settings().target
    'VENUE'
    """
    profile = terms.profile
    times = session.pop("times", None)
    changed = {"sender": NAMES[1], "target": NAMES[0], "host": "127.0.0.1", "port": 1, **session}
    dictionary = terms.dictionary
    if dictionary is None:
        dictionary = own_dictionary(profile.version)
        changed["header"] = {}
    logon = profile.logon.model_copy(
        update={"username": None, "password": None, "private_key": None}
    )
    updated = profile.model_copy(
        update={
            "session": profile.session.model_copy(update=changed),
            "times": times if times is not None else profile.times,
            "tls": None,
            "logon": logon,
            "symbol": (SymbolTable(name="XYZ"),),
        }
    )
    return replace(
        terms,
        profile=updated,
        dictionary=dictionary,
        symbols=(SymbolTable(name="XYZ"),),
        secrets=(),
    )
