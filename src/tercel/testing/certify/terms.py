"""The profile under test, spoken to a peer of this machine."""

from dataclasses import replace
from typing import Final

from tercel.venues.fix.own import own_dictionary
from tercel.venues.fix.profiles import Terms
from tercel.venues.fix.profiles.model import SymbolTable

NAMES: Final = ("VENUE", "DESK")
"""CompIDs of an acceptor and of an initiator in certification."""


def initiator_terms(terms: Terms, **session: object) -> Terms:
    """A profile as it speaks to a scripted acceptor: without TLS, without secrets, with names of its own.

    Where the venue's dictionary is not named, the standard's stands in, and header fields that it lacks are left out.

    Parameters
    ----------
    terms : Terms
    **session
        What else its [session] says; `times` is its [times].

    >>> from tercel.venues.fix.profiles import load
    >>> initiator_terms(load("binance")).settings().target
    'VENUE'
    """
    profile, times = terms.profile, session.pop("times", None)
    changed = {"sender": NAMES[1], "target": NAMES[0], "host": "127.0.0.1", "port": 1, **session}
    dictionary = terms.dictionary
    if dictionary is None:
        dictionary = own_dictionary(profile.version)
        changed["header"] = {}
    logon = profile.logon.model_copy(update={"username": None, "password": None, "private_key": None})
    updated = profile.model_copy(
        update={
            "session": profile.session.model_copy(update=changed),
            "times": times if times is not None else profile.times,
            "tls": None,
            "logon": logon,
            "symbol": (SymbolTable(name="XYZ"),),
        }
    )
    return replace(terms, profile=updated, dictionary=dictionary, symbols=(SymbolTable(name="XYZ"),), secrets=())
