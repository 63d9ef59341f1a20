"""Two sessions of ours and a bad network: every message arrives once, in order."""

import pytest
from hypothesis import given, strategies as st
from tests.fix.protocol.pair import Side, Wire, order, report

from tercel.core.errors import VenueError
from tercel.fix.protocol.events import SessionEventKind
from tercel.fix.protocol.session import FixSession
from tercel.fix.protocol.session_store import Commit, MemoryStore
from tercel.fix.protocol.settings import SessionSettings

side = st.sampled_from([0, 1])
steps = st.one_of(
    st.tuples(st.just("send"), side, st.integers(1, 3)),
    st.tuples(st.just("move"), side, st.integers(1, 400)),
    st.tuples(st.just("move"), side, st.just(1 << 20)),
    st.tuples(st.just("drop"), side, st.just(0)),
    st.tuples(st.just("connect"), side, st.just(0)),
    st.tuples(st.just("again"), side, st.integers(0, 5)),
    st.tuples(st.just("kill"), side, st.just(0)),
    st.tuples(st.just("fail"), side, st.integers(0, 3)),
    st.tuples(st.just("wait"), side, st.integers(1, 40)),
)


class FailingStore(MemoryStore):
    """A store that fails once, after so many more commits."""

    def __init__(self) -> None:
        super().__init__()
        self.fails_in = -1

    def commit(self, change: Commit) -> None:
        self.fails_in -= 1
        if self.fails_in == -1:
            raise OSError("no room")
        super().commit(change)


def wire(next_expected: bool, never_repeated: frozenset[str]) -> Wire:
    common = {"next_expected": next_expected, "never_repeated": never_repeated}
    left = SessionSettings("DESK", "VENUE", initiates=True, **common)  # type: ignore[arg-type]
    right = SessionSettings("VENUE", "DESK", **common)  # type: ignore[arg-type]
    return Wire(Side(left, FailingStore()), Side(right, FailingStore()))


def play(net: Wire, todo: list[tuple[str, int, int]], kind: str) -> list[list[str]]:
    """Do what is asked for; what was sent, by side."""
    sent: list[list[str]] = [[], []]
    net.connect()
    for source in (0, 1):
        net.move(source, 1 << 20)
    for what, which, count in todo:
        one = net.sides[which]
        try:
            if what == "send":
                for _ in range(count):
                    name = f"{which}-{len(sent[which])}"
                    body = report(name) if kind == "8" else order(name)
                    one.take(one.session.send(kind, body, net.now))
                    sent[which].append(name)
            elif what == "move":
                net.move(which, count)
            elif what == "again":
                net.again(which, count)
            elif what == "drop":
                net.drop()
            elif what == "connect":
                net.connect()
            elif what == "wait":
                net.now += count * 1_000_000_000
                one.take(one.session.on_time(net.now))
            elif what == "fail":
                assert isinstance(one.store, FailingStore)
                one.store.fails_in = count
            else:
                one.session, one.out = FixSession(one.settings, one.store), b""
        except OSError:  # its store failed: nothing was handed out
            one.out = b""
        except VenueError as error:
            if "may not wait" not in error.received:
                raise
    for one in net.sides:
        assert isinstance(one.store, FailingStore)
        one.store.fails_in = -1
    net.settle()
    return sent


@pytest.mark.parametrize("next_expected", [False, True])
@given(st.lists(steps, max_size=25))
def test_every_message_arrives_once_and_in_order(
    next_expected: bool, todo: list[tuple[str, int, int]]
) -> None:
    net = wire(next_expected, frozenset())
    sent = play(net, todo, "8")
    for one, other in ((0, 1), (1, 0)):
        assert [
            message.get(17) for message in net.sides[other].messages if message.kind == "8"
        ] == sent[one]
        assert not net.sides[one].told(SessionEventKind.NOT_REPEATED)


@given(st.lists(steps, max_size=25))
def test_an_order_arrives_at_most_once_and_never_late(todo: list[tuple[str, int, int]]) -> None:
    net = wire(False, frozenset({"D"}))
    sent = play(net, todo, "D")
    for one, other in ((0, 1), (1, 0)):
        came = [message.get(11) for message in net.sides[other].messages if message.kind == "D"]
        lost = {
            event.message.get(11)
            for event in net.sides[one].events
            if event.kind == SessionEventKind.NOT_REPEATED
        }
        assert came == [name for name in sent[one] if name in came]
        assert lost | set(came) >= set(sent[one])
        assert not any(message.is_yes(43) for message in net.sides[other].messages)
