"""Named points at which a fault kills a process that trades, planted from outside: the package itself has none.

arm("gateway.sent.new:3")    SIGKILL when the point `gateway.sent.new` is passed for the third time

A point is a place in a function of the package, before or after the one statement that begins with a text. Arming
plants all of them in the code of this process; a statement that was rewritten is refused by name.
"""

import __future__

import ast
import importlib
import inspect
import os
import signal
import textwrap
from operator import attrgetter
from typing import Final, NamedTuple

from tercel.core import ConfigError

_TRADING: Final = "tercel.desk.trading."
_GATEWAY: Final = _TRADING + "gateway:OrderGateway."
_BOOKING: Final = _TRADING + "report_booking:ReportBooking."
_FILL: Final = "any(getattr(one, 'last_qty', 0) for one in messages)"
_KIND: Final = "type(command).__name__.removesuffix('Order').lower()"


class Place(NamedTuple):
    """Where a point lies.

    Attributes
    ----------
    function : str
        ``module:Class.function``.
    statement : str
        How the statement begins, as `ast.unparse` writes it.
    name : str
        Expression of the point's name, "" where it is not passed, in the names of the function.
    after : bool
        Whether it lies after the statement, not before it.
    """

    function: str
    statement: str
    name: str
    after: bool = False


PLACES: Final = (
    Place(_TRADING + "journal.store:SqlJournal.append", "self._write(", "'journal.append.before'"),
    Place(
        _TRADING + "journal.store:SqlJournal.append", "self._write(", "'journal.append.after'", True
    ),
    Place(_TRADING + "journal.store:SqlJournal._write_mark", "text = ", "'journal.mark.before'"),
    Place(
        _TRADING + "journal.log:Log.write", "for number in taken", "'journal.commit.before'", True
    ),
    Place(_GATEWAY + "send_mass_cancels", "try:", "'gateway.send.masscancel'"),
    Place(
        _GATEWAY + "send_mass_cancels", "self.venue.send(cancel)", "'gateway.sent.masscancel'", True
    ),
    Place(_GATEWAY + "submit", "try:", "'gateway.decided'"),
    Place(_GATEWAY + "submit", "self._send(outcome)", "'gateway.journaled'"),
    Place(_GATEWAY + "_send", "try:", f"'gateway.send.' + {_KIND}"),
    Place(_GATEWAY + "_send", "outcome.sent.append(command)", f"'gateway.sent.' + {_KIND}", True),
    Place(_BOOKING + "_book", "now = ", "'gateway.heard'"),
    Place(_BOOKING + "_book", "now = ", f"'gateway.heard.fill' if {_FILL} else ''"),
    Place(_BOOKING + "_book", "self._journal_alerts(", f"'gateway.booked.fill' if {_FILL} else ''"),
    Place(_TRADING + "reconciliation.recovery:reconcile", "accounts = ", "'recovery.begun'", True),
    Place(_TRADING + "reconciliation.recovery:reconcile", "fences = ", "'recovery.resent'"),
    Place(
        _TRADING + "reconciliation.recovery:reconcile",
        "refusal_text = _listen(",
        "'recovery.asked'",
    ),
    Place(_TRADING + "reconciliation.recovery:reconcile", "fills = ", "'recovery.agreed'"),
    Place(
        _TRADING + "reconciliation.recovery:_sweep",
        "gateway.submit([_fence(",
        "'recovery.cancelled'",
    ),
    Place(
        _TRADING + "session:Session._process_turn", "self._step_venue(step_ns)", "'session.step'"
    ),
    Place(
        _TRADING + "session:Session._process_turn",
        "self._process_events(events)",
        "'session.received'",
    ),
    Place(
        _TRADING + "heartbeat:HeartbeatWriter.write", "self._gateway.write(", "'session.heartbeat'"
    ),
)


class _Armed:
    """The point that kills, and how often it may still be passed."""

    point = ""
    passes_left = 0
    planted = False


def arm(text: str) -> None:
    """Kill this process at ``point`` or ``point:n``; "" disarms.

    Raises
    ------
    ConfigError
        The statement of a place is not in its function, or more than once.
    """
    _Armed.point, _, count = text.partition(":")
    _Armed.passes_left = int(count) if count.isdigit() else 1
    if text and not _Armed.planted:
        for function in dict.fromkeys(place.function for place in PLACES):
            _plant(function)
        _Armed.planted = True


def pass_point(point: str) -> None:
    """The program is at `point`: die here when this point is armed."""
    if point and point == _Armed.point:
        _Armed.passes_left -= 1
        if _Armed.passes_left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _plant(function: str) -> None:
    """Give a function of the package the code that says when it passes its places."""
    module, _, name = function.partition(":")
    target = attrgetter(name)(importlib.import_module(module))
    source = ast.parse(textwrap.dedent(inspect.getsource(target)))
    for place in PLACES:
        if place.function == function:
            _insert(source, place)
    flags = __future__.annotations.compiler_flag
    namespace = dict[str, object]()
    exec(compile(source, inspect.getfile(target), "exec", flags), target.__globals__, namespace)
    target.__code__ = namespace[target.__name__].__code__  # type: ignore[attr-defined]


def _insert(source: ast.Module, place: Place) -> None:
    blocks = [block for node in ast.walk(source) for name in ("body", "orelse", "finalbody")
              if isinstance(block := getattr(node, name, None), list)]  # fmt: skip
    spots = [(block, i) for block in blocks for i, node_statement in enumerate(block)
             if ast.unparse(node_statement).startswith(place.statement)]  # fmt: skip
    if len(spots) != 1:
        raise ConfigError(
            f"`{place.statement}` once in {place.function}", f"{len(spots)} of them", "see PLACES"
        )
    [(block, i)] = spots
    call = ast.parse(
        f"__import__({__name__!r}, fromlist=['pass_point']).pass_point({place.name})"
    ).body
    block[i + place.after : i + place.after] = call
    ast.fix_missing_locations(source)
