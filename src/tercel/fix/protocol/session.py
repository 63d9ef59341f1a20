"""A FIX session as a state machine: bytes and times go in; bytes, messages and events come out.

It opens no socket and reads no clock. Its owner calls :meth:`FixSession.connect` when there is a connection,
:meth:`~FixSession.receive` with what came over it, :meth:`~FixSession.on_time` a few times a second, and
:meth:`~FixSession.disconnect` when the connection is gone. One thread at a time calls it.
Source: FIX 4.4 and 4.2, volume 2, "Session Protocol"; FIX session test cases 1 to 20.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from tercel.core.errors import VenueError
from tercel.fix.protocol import validate as v
from tercel.fix.protocol.message import (
    INCORRECT_VALUE,
    SENDING_TIME_PROBLEM,
    Decoder,
    Fields,
    GarbledMessage,
    Message,
    MessageFault,
)
from tercel.fix.protocol.outbox import Outbox
from tercel.fix.protocol.settings import (
    Commit,
    MemoryStore,
    Outcome,
    SequenceNumbers,
    SessionEvent,
    SessionEventKind,
    SessionSettings,
    SessionStore,
)
from tercel.fix.protocol.validate import (
    ClockOffset,
    examined,
    header_fault,
    logon_fault,
    number_fault,
    orig_time_fault,
)

_S: Final = 1_000_000_000
_QUIET: Final = 1.2  # heartbeat intervals of silence before a TestRequest
_MOST_REQUESTS: Final = 3


class _State(Enum):
    DOWN = 0
    WAITS = 1  # connected, the other side is to log on
    ASKED = 2  # our logon is out
    UP = 3
    LEAVING = 4  # our logout is out


@dataclass(slots=True)
class _Gap:
    """Messages that were requested and have not all come; `request`: MsgSeqNum of the ResendRequest."""

    first: int
    last: int
    request: int
    since_ns: int
    times: int = 1


class FixSession:
    """One FIX session, initiator or acceptor.

    Parameters
    ----------
    settings : SessionSettings
    store : SessionStore, optional
        Default: one that lasts as long as the process.

    >>> desk = FixSession(SessionSettings("DESK", "VENUE", initiates=True))
    >>> venue = FixSession(SessionSettings("VENUE", "DESK"))
    >>> now = 1_700_000_000 * 10**9
    >>> _ = venue.connect(now)
    >>> answer = venue.receive(desk.connect(now).out, now)
    >>> desk.receive(answer.out, now).events[0].what, desk.up, venue.up
    (<SessionEventKind.UP: 'up'>, True, True)
    >>> status = desk.send("H", [(11, "A1"), (55, "XYZ"), (54, "1")], now)
    >>> venue.receive(status.out, now).messages
    [Message(FIX.4.4, H, 2)]
    """

    def __init__(self, settings: SessionSettings, store: SessionStore | None = None) -> None:
        self.settings = settings
        self._store = store or MemoryStore()
        self._rules = settings.rules
        self._state = _State.DOWN
        self._decoder = Decoder(self._rules.data_fields)
        self._box = Outbox(settings, self._store)
        self.clock = ClockOffset()
        self._now = self._since_ns = self._heard_ns = self._waits_ns = self._tested_ns = (
            self._until_ns
        ) = 0
        self._load()
        self._forget_gap()
        self._heartbeat_ns = settings.heartbeat_s * _S
        self._result = Outcome()
        self._was_reset = False

    # -- what the owner calls -----------------------------------------------------------------------------------------
    @property
    def up(self) -> bool:
        """Whether both sides are logged on."""
        return self._state is _State.UP

    @property
    def connected(self) -> bool:
        """Whether there is a connection, logged on or not."""
        return self._state is not _State.DOWN

    @property
    def numbers(self) -> SequenceNumbers:
        """Current sequence numbers."""
        return SequenceNumbers(self._box.next, self._next_in, self._since_ns)

    def connect(self, now_ns: int) -> Outcome:
        """A connection is up: an initiator logs on, an acceptor waits. Refused outside session times.

        Raises
        ------
        VenueError
            When there is one already.
        """
        if self.connected:
            raise VenueError(
                "a session without a connection", "a second one", "close the first one"
            )
        self._stale = True
        self._at(now_ns)
        self._box.forget()
        self._decoder = Decoder(self._rules.data_fields)
        self._forget_gap()
        self._heartbeat_ns = self.settings.heartbeat_s * _S
        self._tested_ns = 0
        self._heard_ns = self._waits_ns = now_ns
        if not self._opened():
            self._refuse("the session is closed at this time")
            return self._finish()
        self._state = _State.WAITS
        if self.settings.initiates:
            # Before the Logon is numbered: with ResetSeqNumFlag it has to be number 1 itself.
            if "logon" in self.settings.reset:
                self._restart()
            self._log_on("logon" in self.settings.reset)
            self._state = _State.ASKED
        return self._finish()

    def receive(self, data: bytes, now_ns: int) -> Outcome:
        """Process received bytes, in any pieces."""
        self._at(now_ns)
        for found in self._decoder.feed(data) if self.connected else ():
            if isinstance(found, GarbledMessage):
                self._tell(SessionEventKind.GARBLED, found.why, raw=found.raw)
                if self._state is _State.WAITS:
                    # A peer without valid CompIDs gets no answer (FIX: disconnect without a Logout).
                    self._refuse("the first message is garbled")
            else:
                self._heard_ns = now_ns
                self._tested_ns = 0
                self.clock.see(found, now_ns)
                self._take(found)
            if not self.connected:
                break
        self._result.close |= not self.connected
        return self._finish()

    def send(self, kind: str, fields: Fields, now_ns: int) -> Outcome:
        """Send one application message; see :meth:`send_all`."""
        return self.send_all([(kind, fields)], now_ns)

    def send_all(self, messages: Iterable[tuple[str, Fields]], now_ns: int) -> Outcome:
        """Send application messages; while logged off they are numbered, stored, and sent on a resend request.

        Parameters
        ----------
        messages : iterable of (MsgType, fields)
            Further fields of the header first, then the body. A Reject may be the application's too.
        now_ns : int
            ns since 1970.

        Raises
        ------
        VenueError
            For a message that the dictionary does not have so, and for one that may not be sent late while the session
            is down. Nothing of all was numbered then.
        """
        self._at(now_ns)
        ready: list[Fields] = []
        for kind, fields in messages:
            if not self.up and kind in self.settings.never_repeated:
                raise VenueError(
                    "a session that is logged on",
                    f"none, for 35={kind} that may not wait",
                    "log on first",
                )
            # Numbers are taken only once all are valid: one that failed half-way would leave a gap.
            ready.append(self._box.valid(kind, fields, self._box.next + len(ready)))
        self._box.emit_stored(ready, quiet=not self.up)
        return self._finish()

    def on_time(self, now_ns: int) -> Outcome:
        """Advance time: heartbeats, test requests, timeouts."""
        self._at(now_ns)
        longest, beat = self.settings.answer_s * _S, self._heartbeat_ns
        longest = min(longest, 2 * beat) if beat and self._state is _State.LEAVING else longest
        waited = now_ns - self._waits_ns >= longest
        if self._state in (_State.WAITS, _State.ASKED) and waited:
            self._refuse("no logon came in time")
        elif self._state is _State.LEAVING and waited:
            self._end("no answer to our logout")
        elif self._state is _State.UP and self._until_ns and now_ns >= self._until_ns:
            self._leave("the session is over for now")
        elif self._state is _State.UP:
            self._beat()
        return self._finish()

    def log_out(self, now_ns: int, text: str = "") -> Outcome:
        """Start a logout; the connection closes when it is answered or times out."""
        self._at(now_ns)
        if self._state is _State.UP:
            self._leave(text)
        elif self.connected:
            self._refuse(text or "closed before the logon")
        return self._finish()

    def disconnect(self, now_ns: int) -> Outcome:
        """The connection was lost."""
        self._at(now_ns)
        if self.connected:
            self._end("the connection is gone")
        return self._finish()

    def _opened(self) -> bool:
        """Whether this is a time for the session; the first connection of its window begins at 1."""
        window = self.settings.times.window(self._now) if self.settings.times else (0, 0)
        if window is None:
            return False
        self._until_ns = window[1]
        if self._since_ns < max(window[0], 1):
            if window[0] and (self._box.next, self._next_in) != (1, 1):
                self._restart()
            self._since_ns = self._now
        return True

    # -- what goes out ------------------------------------------------------------------------------------------------
    def _at(self, now_ns: int) -> None:
        self._now = self._box.now_ns = now_ns
        if self._stale:
            self._load()

    def _load(self) -> None:
        saved = self._store.load()
        self._saved = saved
        self._stale = False
        self._box.next = saved.next_out
        self._next_in = saved.next_in
        self._since_ns = saved.since_ns

    def _log_on(self, reset: bool) -> None:
        fields = [(98, "0"), (108, str(self._heartbeat_ns // _S))]
        fields += [(141, "Y")] if reset else []
        if self.settings.next_expected:
            fields.append((789, str(self._next_in)))
        if self.settings.logon_fields is not None:
            fields += self.settings.logon_fields(self._box.now_text, self._box.next)
        self._box.emit("A", fields)

    def _reject(self, message: Message, fault: MessageFault) -> None:
        self._box.emit("3", v.reject(message, fault, self._rules))
        self._tell(SessionEventKind.REJECTED, fault.text, message, fault=fault)

    def _tell(
        self,
        what: SessionEventKind,
        text: str = "",
        message: Message | None = None,
        raw: bytes = b"",
        fault: MessageFault | None = None,
    ) -> None:
        self._result.events.append(SessionEvent(what, text, message, raw, fault))

    def _leave(self, text: str = "") -> None:
        if self._state is not _State.LEAVING:
            self._box.emit("5", [(58, text)] if text else [])
            self._state = _State.LEAVING
            self._waits_ns = self._now

    def _refuse(self, text: str, say: bool = False) -> None:
        """A logon fails. Strangers get no reason, so that a port scan learns no names."""
        if say:
            self._box.emit("5", [(58, text)])
        self._tell(SessionEventKind.REFUSED, text)
        self._end(text)

    def _end(self, text: str = "") -> None:
        logged_on = self._state in (_State.UP, _State.LEAVING)
        self._state = _State.DOWN
        self._result.close = True
        if logged_on:
            self._tell(SessionEventKind.DOWN, text)
        if "disconnect" in self.settings.reset and (logged_on or self.settings.initiates):
            self._restart()

    def _restart(self) -> None:
        self._box.restart()
        self._next_in = 1
        self._since_ns = self._now
        self._forget_gap()
        self._was_reset = True
        self._tell(SessionEventKind.RESET)

    def _finish(self) -> Outcome:
        """Commit the changes of this call to the store, then return its outcome."""
        result = self._result
        self._result = Outcome()
        result.out, sent = self._box.take()
        reset = self._was_reset
        self._was_reset = False
        numbers = self.numbers
        # Stored before it is on the wire: a crash in between is a gap that can be filled, not a number used twice.
        if sent or reset or result.messages or numbers != self._saved:
            try:
                self._store.commit(
                    Commit(numbers, sent, tuple(result.messages), tuple(result.events), reset)
                )
            except BaseException:
                # the next call begins with the numbers of the store
                self._state = _State.DOWN
                self._stale = True
                raise
            self._saved = numbers
        return result

    # -- what comes in ------------------------------------------------------------------------------------------------
    def _take(self, message: Message) -> None:
        kind, number = message.kind, message.number
        if self._state in (_State.WAITS, _State.ASKED):
            self._first(message)
        elif not self._trusted(message):
            return
        # Reset mode ignores MsgSeqNum by the standard: it is the way out when numbers disagree.
        elif kind == "4" and not message.says(123):
            self._reset_number(message)
        elif kind == "A" and message.says(141) and number == 1:
            self._begin_again(message)
        elif number < 0:
            self._leave("MsgSeqNum (34) is missing or no number")
        elif kind == "5":
            self._their_logout(message)
        elif kind == "3" and self._gap is not None and message.get(45) == str(self._gap.request):
            self._next_in += number == self._next_in  # whatever its number: nothing before it comes
            self._leave("the ResendRequest was rejected")
        else:
            if (
                kind == "2"
                and number != self._next_in
                and examined(message, self.settings, self._now)[1] is None
            ):
                self._repeat(
                    message
                )  # at once: two sides that both miss messages would wait for each other
                self._answered.add(number)
            if number == self._next_in:
                self._process(message)
                self._drain()
            elif number > self._next_in:
                self._early(message)
            else:
                self._late(message)

    def _trusted(self, message: Message) -> bool:
        """Whether a message is from where and when it should be; the other side is sent away otherwise."""
        # By the standard a Logout, not a Reject: no later message can be trusted to mean what it says.
        if message.begin != self.settings.begin:
            self._leave(f"BeginString must be {self.settings.begin}")
            return False
        fault = header_fault(message, self.settings, self._now)
        if fault is not None and self.up:
            self._reject(message, fault)
            self._next_in += message.number == self._next_in
            self._leave()
        return fault is None

    def _first(self, message: Message) -> None:
        """The logon, or what came in its place."""
        asked, why = self._state is _State.ASKED, logon_fault(message, self.settings, self._now)
        if why and asked and message.kind in ("5", "3"):
            self._next_in += message.number == self._next_in
            self._refuse(f"the other side says: {message.get(58) or 'nothing'}")
        elif why:
            self._refuse(why)
        elif (
            not asked and self.settings.admit is not None and (why := self.settings.admit(message))
        ):
            self._refuse(why, say=True)
        else:
            self._logged_on(message, asked)

    def _logged_on(self, message: Message, asked: bool) -> None:
        reset, number = message.says(141), message.number
        # An unrequested reset would drop messages that the other side has never repeated.
        if asked and reset and (self._box.next, self._next_in) != (2, 1):
            return self._refuse(
                "the other side has reset its sequence numbers, and was not asked to", say=True
            )
        if not asked and (reset or "logon" in self.settings.reset):
            self._restart()
        wanted = message.whole(789, 0) if self.settings.next_expected else 0
        if why := number_fault(message, wanted, self.numbers):
            return self._refuse(why, say=True)
        early, last = number > self._next_in, self._box.next - 1
        self._next_in += not early
        if not asked:
            self._heartbeat_ns = message.whole(108) * _S
            self._log_on(reset)
        self._state = _State.UP
        self._tell(SessionEventKind.UP)
        if 0 < wanted <= last:
            self._again(wanted, last)
        if early:
            self._queue[number] = message
            # With NextExpectedMsgSeqNum the other side resends by itself; after a request it would resend twice.
            self._miss(number - 1, ask=not wanted)
        return None

    def _begin_again(self, message: Message) -> None:
        """The other side has both begin at 1, while logged on."""
        fault = examined(message, self.settings, self._now)[1]
        if fault is not None:
            return self._reject(message, fault)
        self._restart()
        self._heartbeat_ns = message.whole(108, 0) * _S
        self._next_in = 2
        return self._log_on(reset=True)

    def _their_logout(self, message: Message) -> None:
        """Answer a Logout even when messages are missing: the number stays, and the next logon requests them all."""
        self._next_in += message.number == self._next_in
        if self._state is not _State.LEAVING:
            self._box.emit("5", [])
        self._end(message.get(58) or "the other side logged out")
        if "logout" in self.settings.reset:
            self._restart()

    def _reset_number(self, message: Message) -> None:
        """SequenceReset in reset mode: sets the next number, whatever the message's own is."""
        fault, new = examined(message, self.settings, self._now)[1], message.whole(36)
        if fault is not None or new < self._next_in:
            self._reject(message, fault or MessageFault(INCORRECT_VALUE))
        else:
            self._next_in = new
            self._drain()

    def _late(self, message: Message) -> None:
        """A number that was taken: a repetition is dropped, anything else means that the two sides disagree."""
        if message.kind == "2" or not self.up:
            self._answered.discard(message.number)
        elif not message.says(43):
            self._box.emit(
                "5",
                [(58, f"MsgSeqNum is too low: {self._next_in} is expected, {message.number} came")],
            )
            self._end("MsgSeqNum is too low")
        elif fault := orig_time_fault(message):
            self._reject(message, fault)
            if fault.reason == SENDING_TIME_PROBLEM:
                self._leave()

    def _process(self, message: Message) -> None:
        """The message that is next."""
        kind, (message, fault) = message.kind, examined(message, self.settings, self._now)
        if fault is None and kind == "4":
            if (new := message.whole(36)) > self._next_in:
                self._next_in = new
                return
            fault = MessageFault(INCORRECT_VALUE, 36)
        # Before it is examined: a message that is rejected has been received all the same.
        self._next_in += 1
        if fault is not None:
            self._reject(message, fault)
            if fault.reason == SENDING_TIME_PROBLEM:
                self._leave()
        elif kind == "1":
            self._box.emit("0", [(112, message.get(112))] if message.get(112) else [])
        elif kind == "2":
            if message.number not in self._answered:
                self._repeat(message)
            self._answered.discard(message.number)
        elif kind not in ("0", "A"):
            self._deliver(message)

    def _deliver(self, message: Message) -> None:
        takes, kind = self.settings.takes, message.kind
        if kind == "3" or (kind in self._rules.messages and (takes is None or kind in takes)):
            self._result.messages.append(message)
            return
        fields = [
            (45, str(message.number)),
            (372, kind),
            (380, "3"),
            (58, "this message type is not supported"),
        ]
        self._box.emit_stored([self._box.headed("j", fields)])
        self._tell(SessionEventKind.REJECTED, f"35={kind} is not supported", message)

    # -- gaps ---------------------------------------------------------------------------------------------------------
    def _forget_gap(self) -> None:
        self._queue: dict[int, Message] = {}
        self._answered: set[int] = set()
        self._gap: _Gap | None = None

    def _early(self, message: Message) -> None:
        """Hold a message until those before it are here."""
        if len(self._queue) < self.settings.most_queued:
            self._queue.setdefault(message.number, message)
        if self._gap is None:
            self._miss(message.number - 1)
        elif message.says(43) and self._next_in > self._gap.first:
            self._miss(max(self._gap.last, message.number - 1))  # one of the repeated ones was lost

    def _miss(self, last: int, ask: bool = True) -> None:
        self._tell(SessionEventKind.GAP, f"{self._next_in} to {last}")
        if self.settings.on_gap == "logout":
            return self._leave(f"messages {self._next_in} to {last} are missing")
        self._gap = _Gap(self._next_in, last, self._box.next, self._now)
        if ask:
            self._box.emit("2", [(7, str(self._next_in)), (16, "0")])
        return None

    def _drain(self) -> None:
        """Take the messages that were held and are next now."""
        while self.connected and (message := self._queue.pop(self._next_in, None)) is not None:
            self._process(message)
        if self._gap is not None:
            self._gap.since_ns = self._now
            if self._next_in > self._gap.last:
                self._gap = None
        self._queue = {
            number: one for number, one in self._queue.items() if number >= self._next_in
        }
        if self._gap is None and self._queue and self._state is _State.UP:
            self._miss(min(self._queue) - 1)

    def _repeat(self, request: Message) -> None:
        first, last = max(request.whole(7), 1), request.whole(16)
        self._again(first, self._box.next - 1 if not 0 < last < self._box.next else last)

    def _again(self, first: int = 0, last: int = 0) -> None:
        # Types that are never repeated are gap-filled: the sender of such a message has to know.
        for number, message in self._box.repeat(first, last):
            self._tell(SessionEventKind.NOT_REPEATED, f"35={message.kind}, {number}", message)

    # -- time ---------------------------------------------------------------------------------------------------------
    def _beat(self) -> None:
        interval, now, gap = self._heartbeat_ns, self._now, self._gap
        # Requests for repetition that were held back, as too much was repeated at once, are answered now.
        self._again()
        if interval and self._tested_ns and now - self._tested_ns >= interval:
            return self._end("no answer to a TestRequest")
        if interval and not self._tested_ns and now - self._heard_ns >= _QUIET * interval:
            self._box.emit("1", [(112, "TEST")])
            self._tested_ns = now
        elif interval and now - self._box.sent_ns >= interval:
            self._box.emit("0", [])
        if gap is not None and now - gap.since_ns >= self.settings.answer_s * _S:
            # A side that never fills the gap would get requests for ever, and its messages are queued meanwhile.
            if gap.times >= _MOST_REQUESTS:
                return self._leave(f"messages {self._next_in} to {gap.last} never came")
            self._miss(gap.last)
            if self._gap is not None:
                self._gap.times = gap.times + 1
        return None
