"""`Stored`: objects that save and restore some of their attributes, for checkpoints that continue to the same bytes."""

from copy import copy
from typing import Any, ClassVar

import numpy as np


class Stored:
    """Base class of objects whose state is the attributes named in `stored`: arrays and numbers.

    The state has private ones without their underscore.

    >>> class Counter(Stored):
    ...     stored = ("_count",)
    ...     def __init__(self, count: int) -> None:
    ...         self._count = count
    >>> second = Counter(0)
    >>> second.restore(Counter(3).state())
    >>> second.state()
    {'count': 3}
    """

    stored: ClassVar[tuple[str, ...]]

    def state(self) -> dict[str, Any]:
        """Copies of the attributes by name."""
        return {name.lstrip("_"): copy(getattr(self, name)) for name in self.stored}

    def restore(self, state: dict[str, Any]) -> None:
        """Set the attributes from a state, arrays in place."""
        for name in self.stored:
            current = getattr(self, name)
            saved = state[name.lstrip("_")]
            if isinstance(current, np.ndarray):
                current[:] = saved
            else:
                setattr(self, name, type(current)(saved))
