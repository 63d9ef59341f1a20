"""Typed arguments of `tercel trade submit|amend|limits`, parsed: changes of limits and limit prices."""

from collections.abc import Sequence

from tercel.core.errors import refuse_if
from tercel.core.vocabulary import BUY


def changes_of(texts: Sequence[str]) -> dict[str, str]:
    """Changes of limits, or terms of a pair, from texts PATH=VALUE, as a dictionary.

    Raises
    ------
    ConfigError
        For what has no path, no value, or a path twice.

    >>> changes_of(["desk.messages=5"])
    {'desk.messages': '5'}
    """
    changes: dict[str, str] = {}
    for text in texts:
        path, equal, value = text.partition("=")
        refuse_if(
            not (path and equal and value) or path in changes,
            "a change as PATH=VALUE, each path once",
            repr(text),
            "write desk.messages=1000",
        )
        changes[path] = value
    return changes


def limit_body(typed: str | None) -> dict[str, float | str]:
    """Limit price for a command's body: a number, a text such as 25bps, or "none" (no limit); {} for None (no change).

    Raises
    ------
    ConfigError
        A text that is neither a price, nor such as 25bps, nor "none".

    >>> limit_body("15.63"), limit_body("25bps"), limit_body(None)
    ({'limit_price': 15.63}, {'limit_price': '25bps'}, {})
    """
    if typed is None:
        return {}
    try:
        price: float | str = float(typed)
    except ValueError:
        price = typed
    if price != "none":
        from tercel.execution.task import Task

        Task(side=BUY, limit_price=price)
    return {"limit_price": price}
