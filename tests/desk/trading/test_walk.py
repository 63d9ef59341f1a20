"""One decision from a strategy's intent to the venue's `send`: the functions that it passes, and their files."""

import ast
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

import numpy as np
from tests.desk.trading.desk_of_two import S, asked, exchange_of, session_of

import tercel
from tercel.core.orders import CancelOrder, NewOrder, ReplaceOrder
from tercel.execution.strategies import build

ROOT = Path(tercel.__file__).parent
MOST_HOPS, MOST_FILES, MOST_HANDED_ON = 12, 7, 2


class Walk:
    """A profile function that follows one decision.

    `back`: frames that hand the strategy's answer back. `converts`: functions that are given arrays, or return an
    order, while it is handed back. `on`: frames that hand the order on to the venue.
    """

    def __init__(self, strategy: CodeType, send: CodeType) -> None:
        self._strategy, self._send = strategy, send
        self._events: list[tuple[str, FrameType, object]] = []
        self._back: list[FrameType] = []
        self.codes: list[CodeType] = []

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        if self.codes or not in_package(frame):
            return
        if event == "return" and frame.f_code is self._strategy:
            self._back, self._events = stack(frame.f_back), []
        elif event == "call" and frame.f_code is self._send and self._back:
            self.codes = self._walked(stack(frame))
        elif self._back and event in ("call", "return"):
            self._events.append(
                (event, frame, any_array(frame) if event == "call" else isinstance(arg, ORDERS))
            )

    def _walked(self, sending: list[FrameType]) -> list[CodeType]:
        back = [frame for frame in self._back if frame not in sending]
        on = [frame for frame in reversed(sending) if frame not in self._back[len(back) + 1 :]]
        handed = next(
            place for place, (event, frame, _) in enumerate(self._events) if frame is back[-1]
        )
        converts = [
            frame for _, frame, carries in self._events[:handed] if carries and frame not in back
        ]
        return list(dict.fromkeys(frame.f_code for frame in (*back, *converts, *on)))


ORDERS = (NewOrder, ReplaceOrder, CancelOrder)


def in_package(frame: FrameType) -> bool:
    return Path(frame.f_code.co_filename).is_relative_to(ROOT)


def any_array(frame: FrameType) -> bool:
    compiled = bool(frame.f_code.co_argcount) and not frame.f_locals  # a kernel shows no arguments
    return compiled or any(isinstance(value, np.ndarray) for value in frame.f_locals.values())


def stack(frame: FrameType | None) -> list[FrameType]:
    """Frames of the package, innermost first."""
    found = []
    while frame is not None:
        found += [frame] if in_package(frame) else []
        frame = frame.f_back
    return found


def walk_of_a_decision() -> list[tuple[str, str]]:
    """File and name of every function, in the order of the way back, the conversions, the way on."""
    strategy = build("twap_take")
    for seconds in (60, 0):  # kernels are compiled by the first, which nobody follows
        venue = exchange_of()
        session = session_of(venue)
        session.accept(asked(strategy="twap_take"), strategy)
        session.run_until(session.now_ns + seconds * S)
    walk = Walk(type(strategy).decide.__code__, type(venue).send.__code__)
    sys.setprofile(walk)
    try:
        session.run_until(session.now_ns + 60 * S)
    finally:
        sys.setprofile(None)
    return [
        (str(Path(code.co_filename).relative_to(ROOT)), code.co_qualname) for code in walk.codes
    ]


def hands_on(function: ast.FunctionDef) -> bool:
    """Whether a method only calls another object's method with its own arguments, each as it came."""
    body = [
        one
        for one in function.body
        if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
    ]
    call = getattr(body[0], "value", None) if len(body) == 1 else None
    if not isinstance(call, ast.Call) or not ast.unparse(call.func).startswith("self."):
        return False
    own = [
        one.arg
        for one in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    ][1:]
    given = [ast.unparse(one) for one in (*call.args, *(word.value for word in call.keywords))]
    return "." in ast.unparse(call.func).removeprefix("self.") and given == own


def test_a_decision_reaches_the_venue_in_few_hops():
    walk = walk_of_a_decision()
    names = [name for _, name in walk]
    told = "\n".join(f"{file}: {name}" for file, name in walk)
    assert (names[0], names[-1]) == ("Driver._decide", "SimulatedExchange.send"), told
    assert "OrderGateway.submit" in names, told
    assert len(walk) <= MOST_HOPS, told
    assert len({file for file, _ in walk}) <= MOST_FILES, told


def test_no_class_on_the_way_only_hands_calls_on():
    counted = Counter[str]()
    for path in (
        path
        for room in ("execution", "limits", "trading", "venues")
        for path in (ROOT / room).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                methods = [one for one in node.body if isinstance(one, ast.FunctionDef)]
                counted[f"{path.relative_to(ROOT)}: {node.name}"] += sum(
                    hands_on(one) for one in methods
                )
    assert sum(counted.values()) > 0
    assert {name: count for name, count in counted.items() if count > MOST_HANDED_ON} == {}
