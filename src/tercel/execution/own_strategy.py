"""Base class and decorator for strategies that a user writes: `OwnStrategy`, and `strategy` for a function of a view."""

from collections.abc import Callable
from typing import Any, overload

from tercel.core.arrays import Bools
from tercel.execution.intent import Intent, Intents
from tercel.execution.view import View


class OwnStrategy:
    """Base class for a user's strategy: with parameters, or with a memory that `reset` clears.

    `decide` gets a :class:`View` of n markets, read-only copies that may be stored, and answers with an :class:`Intent`.
    `reset` is called before it wherever an order begins, with bool (n,): True in the markets that begin. When all of
    them begin, n may have changed. Every evaluation works on copies of the object as it was given; one that changes
    its attributes and has no `reset` of its own is refused, since its figures would hang on what ran before. An answer
    that is no legal intent is an error that says which field (see :class:`Intent`).

    >>> import numpy as np
    >>> from tercel.execution.probe_views import view_of
    >>> class Halving(OwnStrategy):
    ...     def reset(self, mask):
    ...         if mask.all():
    ...             self.calls = np.zeros(len(mask), int)
    ...         self.calls[mask] = 0
    ...     def decide(self, view):
    ...         self.calls += 1
    ...         return Intent(take=view.left // 2**self.calls)
    >>> from tercel.execution.user_strategy import wrap_strategy
    >>> halving = wrap_strategy(Halving())
    >>> [int(halving.decide(view_of(left=80, decision=k))[0, 0]) for k in (0, 1, 0)]
    [40, 20, 40]
    """

    name: str = ""
    """Name in tables; the name of the class if empty."""

    def reset(self, mask: Bools) -> None:
        """Clear the memory of the markets in `mask`, bool (n,), where an order begins; does nothing unless overridden."""

    def decide(self, view: View) -> Intent | Intents:
        """Intent of each market of a view; every strategy overrides it (NotImplementedError)."""
        raise NotImplementedError


class FunctionStrategy(OwnStrategy):
    """A strategy made of a function of a view; see :func:`strategy`."""

    def __init__(self, function: Callable[[View], Intent | Intents], name: str = "") -> None:
        self.function = function
        self.name = name or function.__name__
        self.__doc__ = function.__doc__

    def __call__(self, view: View) -> Intent | Intents:
        """Call the function on a view; its intent."""
        return self.function(view)

    def decide(self, view: View) -> Intent | Intents:
        """Intent that the function returns for a view."""
        return self.function(view)


@overload
def strategy(function: Callable[[View], Intent | Intents], /) -> FunctionStrategy: ...


@overload
def strategy(*, name: str) -> Callable[[Callable[[View], Intent | Intents]], FunctionStrategy]: ...


def strategy(function: Any = None, *, name: str = "") -> Any:
    """Make a strategy of a function (a :class:`View` of n markets in, an :class:`Intent` out); without one, a decorator.

    Parameters
    ----------
    function : callable
        A pure function: the same view gives the same intent. All chance it may use is ``view.draw``.
    name : str
        Name in tables; the function's name if not given.

    >>> @strategy
    ... def half_now(view):
    ...     return Intent(take=(view.left + 1) // 2)
    >>> half_now.name
    'half_now'
    """
    if function is None:
        return lambda decided: FunctionStrategy(decided, name)
    return FunctionStrategy(function, name)
