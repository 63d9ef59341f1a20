"""S30: the system under test in a process of its own, which is killed without a word.

`python -m certify.fix.killed acceptor FOLDER VERSION` serves a small venue and prints its port;
`... initiator FOLDER PROFILE PORT` logs on there, and answers each execution with a word that it repeats when asked to.
"""

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from certify.fix.case import Bench, MissedError, case, expect, holds
from certify.fix.outside import POLL_S, OutsideStage, readable_waiter
from certify.fix.plays import expect_resend_request, lose_messages, resume
from certify.fix.stage import AcceptorStage, InitiatorStage, Stage
from certify.fix.terms import NAMES, initiator_terms
from certify.fix.wire import Peer
from certify.tiny import TinyVenue
from exchange.fix.counterparties import Login
from exchange.fix.server import serve_fix
from tercel.fix import Address, load_profile as load, open_link

_MANY: Final = 10
State = Callable[[Stage, Peer], None]


def serve(folder: Path, begin: str) -> None:
    """The acceptor's process."""
    server = serve_fix(
        TinyVenue(), 0, [Login(NAMES[1], begin=begin)], comp_id=NAMES[0], store=folder
    )
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    server.wait()


def trade(folder: Path, profile: str, port: int) -> None:
    """The initiator's process."""
    link = open_link(initiator_terms(load(profile)), Address("127.0.0.1", port), NAMES[1], folder)
    while True:
        messages, _ = link.poll(0.05)
        for message in messages:
            if message.kind == "8" and link.up:
                link.send(
                    [
                        (
                            "j",
                            [
                                (45, str(message.number)),
                                (372, "8"),
                                (380, "0"),
                                (58, message.get(17)),
                            ],
                        )
                    ]
                )


def _start(*arguments: str) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-m", "certify.fix.killed", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


class KilledAcceptor(OutsideStage):
    """Our acceptor in a process of its own."""

    def __init__(self, bench: Bench) -> None:
        self.arguments = "acceptor", str(bench.folder), bench.begin
        super().__init__(replace(bench, address=self._start_process()), outside=False)

    def _start_process(self) -> Address:
        self.process = _start(*self.arguments)
        return Address(
            "127.0.0.1", int(self.process.stdout.readline() if self.process.stdout else 0)
        )

    def begin_again(self) -> None:
        """Another process goes on with its store."""
        self.address = self._start_process()

    def store_location(self) -> tuple[Path | None, str]:
        """See `Stage`."""
        return AcceptorStage.store_location(self)

    def compare(self) -> None:
        """The store is looked at when its process is over."""

    def close(self) -> None:
        """See `Stage`."""
        kill(self.process)


class KilledInitiator(InitiatorStage):
    """Our initiator in a process of its own."""

    def __init__(self, bench: Bench, wall: Callable[[], int] = time.time_ns) -> None:
        self._wall = wall
        super().__init__(bench)
        self.link.end()
        self.begin_again()

    def begin_again(self) -> None:
        """Another process goes on with its store."""
        self.drain()
        port = self._listener.getsockname()[1]
        self.process = _start("initiator", str(self.bench.folder), self.bench.terms.name, str(port))

    def now_ns(self) -> int:
        """The time of day."""
        return self._wall()

    def turn(self) -> None:
        """See `Stage`: it works by itself."""
        select.select([self._listener], [], [], POLL_S)

    def logged_on(self) -> bool:
        """See `Stage`: its next word shows it."""
        return not self.peers[-1].ended

    def accept(self) -> Peer:
        """See `InitiatorStage`."""
        peer = super().accept()
        peer.turn = readable_waiter(peer.socket)
        return peer

    def compare(self) -> None:
        """The store is looked at when its process is over."""

    def close(self) -> None:
        """See `Stage`."""
        kill(self.process)
        self._listener.close()


def kill(process: "subprocess.Popen[str]") -> None:
    """End a process as a power cut would."""
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _idle(_: Stage, peer: Peer) -> None:
    peer.sync()


def _in_the_air(stage: Stage, peer: Peer) -> None:
    """Ten messages to act on, three words back."""
    for _ in range(_MANY):
        stage.tell(peer)
    for _ in range(3):
        peer.find("8", "j")


def _repeating(stage: Stage, peer: Peer) -> None:
    """In the middle of an answer to a ResendRequest."""
    peer.say("2", [(7, "1"), (16, "0")])
    while not peer.hear().again:
        pass


def _waiting(stage: Stage, peer: Peer) -> None:
    """With a gap open."""
    number = lose_messages(stage)
    stage.tell(peer)
    expect_resend_request(peer, number)


def _leaving(_: Stage, peer: Peer) -> None:
    """In the middle of a logout."""
    peer.say("5")


_STATES: Final[dict[str, State]] = {
    "logged on": _idle,
    "messages in the air": _in_the_air,
    "repeating": _repeating,
    "a gap open": _waiting,
    "logging out": _leaving,
}


def _kill_in_every_state(stage: KilledAcceptor | KilledInitiator) -> str:
    """Kill it in every state; it goes on, and nothing is numbered twice or done twice."""
    kill_before_logon(stage)
    for state_name, state in _STATES.items():
        peer = resume(stage)
        state(stage, peer)
        kill(stage.process)
        with suppress(MissedError):
            peer.end()
        peer.socket.close()
        holds(stage.log.expects > 1, f"numbers after {state_name}")
        stage.begin_again()
    resume(stage)
    kill(stage.process)
    Stage.compare(stage)
    done = _acted_names(stage)
    expect(sorted({name for name in done if done.count(name) > 1}), [], "what was acted on twice")
    return f"killed {len(_STATES) + 1} times; numbers go on, nothing is sent or done twice"


def kill_before_logon(stage: KilledAcceptor | KilledInitiator) -> None:
    """Connected, and nobody has said who he is, or has been answered."""
    if isinstance(stage, KilledInitiator):
        peer = stage.accept()
        peer.hear("A")
    else:
        peer = stage.connect()
    kill(stage.process)
    peer.end()
    peer.socket.close()
    stage.begin_again()


def _acted_names(stage: Stage) -> list[str]:
    """What it acted on, as its words say, each word counted once however often it was repeated."""
    messages = {
        message.number: message
        for peer in stage.peers
        for message in peer.heard
        if message.kind in ("8", "j")
    }
    return [
        message.get(58) if message.kind == "j" else message.get(11) for message in messages.values()
    ]


@case("S30", "killed in every state, it goes on with its numbers", "acceptor")
def s30_acceptor(bench: Bench) -> str:
    """kill -9 of our acceptor: connected, logged on, with orders in the air, in a resend, in a gap, in a logout."""
    with KilledAcceptor(bench) as stage:
        return _kill_in_every_state(stage)


@case("S30", "killed in every state, it goes on with its numbers", "initiator")
def s30_initiator(bench: Bench) -> str:
    """kill -9 of our initiator: its logon out, logged on, with executions in the air, in a resend, in a gap, in a
    logout."""
    with KilledInitiator(bench) as stage:
        return _kill_in_every_state(stage)


if __name__ == "__main__":
    if sys.argv[1] == "acceptor":
        serve(Path(sys.argv[2]), sys.argv[3])
    else:
        trade(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
