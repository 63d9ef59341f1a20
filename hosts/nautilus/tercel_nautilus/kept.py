"""What a parent order needs after a crash: its executor's bytes and the names of its orders, in one file."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import tercel as tc
from tercel.core.errors import ConfigError
from tercel.core.files import write_private


@dataclass
class SentOrder:
    """An order that may have reached the venue.

    Parameters
    ----------
    name : str
        `Place.name` of the executor's command.
    sent_ns : int
        When it was written down, before it left; ns since 1970-01-01 UTC by the host's clock.
    """

    name: str
    sent_ns: int


@dataclass
class KeptParent:
    """An executor, which orders of the venue are its own, and the executions that it knows.

    The file is replaced whole (:meth:`write`) before a command leaves, so whatever is at the venue is named in it.

    Parameters
    ----------
    executor : tercel.Executor
    strategy : str
        Its strategy's name, which a restored executor needs.
    path : Path, optional
        The file; None keeps nothing.
    open : dict of str to SentOrder
        By client order id, the orders whose end the executor has not been told.
    executions : set of str
        Ids of the executions that the executor was told.
    last_ns : int
        The latest time that it was given.
    """

    executor: Any
    strategy: str
    path: Path | None = None
    open: dict[str, SentOrder] = field(default_factory=dict)
    executions: set[str] = field(default_factory=set)
    last_ns: int = 0
    names: dict[str, str] = field(default_factory=dict)
    """`Place.name` by client order id, of all orders of this process."""

    def sent(self, key: str, name: str, ns: int) -> None:
        """Note an order that is about to leave."""
        self.open[key] = SentOrder(name, ns)
        self.names[key] = name

    def write(self) -> None:
        """Replace the file: written aside, flushed to the disk, renamed. Nothing without a path."""
        if self.path is None:
            return
        state = {
            "version": 1,
            "strategy": self.strategy,
            "executor": base64.b64encode(self.executor.save()).decode(),
            "open": {key: [order.name, order.sent_ns] for key, order in self.open.items()},
            "executions": sorted(self.executions),
            "last_ns": self.last_ns,
        }
        write_private(self.path, json.dumps(state))

    @classmethod
    def read(cls, path: Path) -> "KeptParent":
        """The parent of a file that :meth:`write` made.

        Raises
        ------
        ConfigError
            The file is none of these.
        """
        try:
            state = json.loads(path.read_text())
            open_orders = {key: SentOrder(*order) for key, order in state["open"].items()}
            return cls(
                tc.Executor.restore(base64.b64decode(state["executor"]), state["strategy"]),
                state["strategy"],
                path,
                open_orders,
                set(state["executions"]),
                state["last_ns"],
                {key: order.name for key, order in open_orders.items()},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                "a file of a kept parent order",
                f"{path}: {error}",
                "restore the file from a copy, or ask the venue what was filled and start a new parent",
            ) from error

    def execution(
        self, key: str, execution: str, ns: int, price: Decimal, size: Decimal, passive: bool | None
    ) -> bool:
        """Tell the executor an execution of an own order once; whether it was new."""
        if execution in self.executions:
            return False
        self.tell(key, "filled", ns, price=price, size=size, execution=execution, passive=passive)
        self.executions.add(execution)
        return True

    def tell(self, key: str, what: str, ns: int, **words: Any) -> None:
        """Tell the executor what became of the order with the client order id `key`, at a time that does not go back."""
        self.last_ns = max(self.last_ns, ns)
        self.executor.on_order(self.names[key], what, self.last_ns, **words)

    def gap(self, ns: int) -> int:
        """Tell the executor that it has missed updates of the market; the time that it was given."""
        self.last_ns = max(self.last_ns, ns)
        self.executor.on_gap(self.last_ns)
        return self.last_ns

    def ended(self, keys: Iterable[str]) -> None:
        """Forget orders whose end the executor knows."""
        for key in keys:
            self.open.pop(key, None)
