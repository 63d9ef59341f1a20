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
from tercel.fix.protocol.admission import (
    ClockOffset,
    examine,
    header_fault,
    logon_fault,
    number_fault,
    orig_time_fault,
)
from tercel.fix.protocol.codec import Decoder, GarbledMessage
from tercel.fix.protocol.events import Outcome, SessionEvent, SessionEventKind
from tercel.fix.protocol.faults import INCORRECT_VALUE, SENDING_TIME_PROBLEM, MessageFault
from tercel.fix.protocol.message import Fields, Message
from tercel.fix.protocol.outbox import Outbox
from tercel.fix.protocol.session_store import Commit, MemoryStore, SequenceNumbers, SessionStore
from tercel.fix.protocol.settings import SessionSettings

_NS_PER_S: Final = 1_000_000_000
_QUIET_INTERVALS: Final = 1.2  # heartbeat intervals of silence before a TestRequest
_MOST_REQUESTS: Final = 3


class _State(Enum):
    DOWN = 0
    WAITS = 1  # connected, the other side is to log on
    ASKED = 2  # our logon is out
    UP = 3
    LEAVING = 4  # our logout is out


@dataclass(slots=True)
class _Gap:
    """Requested messages that have not all come; `request`: MsgSeqNum of the ResendRequest."""

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
    >>> answer = venue.receive(desk.connect(now).data, now)
    >>> desk.receive(answer.data, now).events[0].kind, desk.up, venue.up
    (<SessionEventKind.UP: 'up'>, True, True)
    >>> status = desk.send("H", [(11, "A1"), (55, "XYZ"), (54, "1")], now)
    >>> venue.receive(status.data, now).messages
    [Message(FIX.4.4, H, 2)]
    """

    def __init__(self, settings: SessionSettings, store: SessionStore | None = None) -> None:
        """Load the sequence numbers from the store (in memory without one); there is no connection yet."""
        self.settings = settings
        self._store = store or MemoryStore()
        self._rules = settings.rules
        self._state = _State.DOWN
        self._decoder = Decoder(self._rules.data_fields)
        self._outbox = Outbox(settings, self._store)
        self.clock = ClockOffset()
        self._now = self._since_ns = self._received_ns = self._waits_ns = self._tested_ns = (
            self._until_ns
        ) = 0
        self._load()
        self._forget_gap()
        self._heartbeat_ns = settings.heartbeat_s * _NS_PER_S
        self._result = Outcome()
        self._was_reset = False

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
        return SequenceNumbers(self._outbox.next, self._next_in, self._since_ns)

    def connect(self, now_ns: int) -> Outcome:
        """Take a new connection: an initiator logs on, an acceptor waits; outside session times the outcome has a
        REFUSED event.

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
        self._set_time(now_ns)
        self._outbox.begin_connection()
        self._decoder = Decoder(self._rules.data_fields)
        self._forget_gap()
        self._heartbeat_ns = self.settings.heartbeat_s * _NS_PER_S
        self._tested_ns = 0
        self._received_ns = self._waits_ns = now_ns
        if not self._enter_window():
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
        """Process received bytes, in any pieces: answers, application messages and events; ignored without a connection."""
        self._set_time(now_ns)
        for message in self._decoder.feed(data) if self.connected else ():
            if isinstance(message, GarbledMessage):
                self._add_event(SessionEventKind.GARBLED, message.reason, raw=message.raw)
                if self._state is _State.WAITS:
                    # A peer without valid CompIDs gets no answer (FIX: disconnect without a Logout).
                    self._refuse("the first message is garbled")
            else:
                self._received_ns = now_ns
                self._tested_ns = 0
                self.clock.observe(message, now_ns)
                self._dispatch(message)
            if not self.connected:
                break
        self._result.close |= not self.connected
        return self._finish()

    def send(self, kind: str, fields: Fields, now_ns: int) -> Outcome:
        """Send one application message; see :meth:`send_all`."""
        return self.send_all([(kind, fields)], now_ns)

    def send_all(self, messages: Iterable[tuple[str, Fields]], now_ns: int) -> Outcome:
        """Send application messages; while logged off they are numbered, stored, and sent on a resend request, but for
        types never repeated: VenueError.

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
        self._set_time(now_ns)
        ready: list[Fields] = []
        for kind, fields in messages:
            if not self.up and kind in self.settings.never_repeated:
                raise VenueError(
                    "a session that is logged on",
                    f"none, for 35={kind} that may not wait",
                    "log on first",
                )
            # Numbers are taken only once all are valid: one that failed half-way would leave a gap.
            ready.append(
                self._outbox.add_valid_header(kind, fields, self._outbox.next + len(ready))
            )
        self._outbox.emit_stored(ready, store_only=not self.up)
        return self._finish()

    def on_time(self, now_ns: int) -> Outcome:
        """Advance time: heartbeats, test requests, timeouts."""
        self._set_time(now_ns)
        longest = self.settings.answer_s * _NS_PER_S
        beat = self._heartbeat_ns
        longest = min(longest, 2 * beat) if beat and self._state is _State.LEAVING else longest
        waited = now_ns - self._waits_ns >= longest
        if self._state in (_State.WAITS, _State.ASKED) and waited:
            self._refuse("no logon came in time")
        elif self._state is _State.LEAVING and waited:
            self._end("no answer to our logout")
        elif self._state is _State.UP and self._until_ns and now_ns >= self._until_ns:
            self._begin_logout("the session is over for now")
        elif self._state is _State.UP:
            self._keep_alive()
        return self._finish()

    def log_out(self, now_ns: int, text: str = "") -> Outcome:
        """Start a logout; the connection closes when it is answered or times out."""
        self._set_time(now_ns)
        if self._state is _State.UP:
            self._begin_logout(text)
        elif self.connected:
            self._refuse(text or "closed before the logon")
        return self._finish()

    def disconnect(self, now_ns: int) -> Outcome:
        """Process the loss of the connection."""
        self._set_time(now_ns)
        if self.connected:
            self._end("the connection is gone")
        return self._finish()

    def _enter_window(self) -> bool:
        """Whether the session is open now; the first connection of a window resets its numbers to 1."""
        window = self.settings.times.window(self._now) if self.settings.times else (0, 0)
        if window is None:
            return False
        self._until_ns = window[1]
        if self._since_ns < max(window[0], 1):
            if window[0] and (self._outbox.next, self._next_in) != (1, 1):
                self._restart()
            self._since_ns = self._now
        return True

    def _set_time(self, now_ns: int) -> None:
        """Set the session's time, ns; reload the stored state after a failed commit."""
        self._now = self._outbox.now_ns = now_ns
        if self._stale:
            self._load()

    def _load(self) -> None:
        """Load the sequence numbers from the store."""
        saved = self._store.load()
        self._saved = saved
        self._stale = False
        self._outbox.next = saved.next_out
        self._next_in = saved.next_in
        self._since_ns = saved.since_ns

    def _log_on(self, reset: bool) -> None:
        """Send a Logon; `reset`: with ResetSeqNumFlag, for which the caller has reset our numbers."""
        fields = [(98, "0"), (108, str(self._heartbeat_ns // _NS_PER_S))]
        fields += [(141, "Y")] if reset else []
        if self.settings.next_expected:
            fields.append((789, str(self._next_in)))
        if self.settings.logon_fields is not None:
            fields += self.settings.logon_fields(self._outbox.now_text, self._outbox.next)
        self._outbox.emit("A", fields)

    def _reject(self, message: Message, fault: MessageFault) -> None:
        """Send a Reject (3) of a message, and report it as an event."""
        self._outbox.emit("3", v.reject(message, fault, self._rules))
        self._add_event(SessionEventKind.REJECTED, fault.text, message, fault=fault)

    def _add_event(
        self,
        kind: SessionEventKind,
        text: str = "",
        message: Message | None = None,
        raw: bytes = b"",
        fault: MessageFault | None = None,
    ) -> None:
        """Add an event to the outcome of the current call."""
        self._result.events.append(SessionEvent(kind, text, message, raw, fault))

    def _begin_logout(self, text: str = "") -> None:
        """Send a Logout (5), once, and wait for the answer."""
        if self._state is not _State.LEAVING:
            self._outbox.emit("5", [(58, text)] if text else [])
            self._state = _State.LEAVING
            self._waits_ns = self._now

    def _refuse(self, text: str, say: bool = False) -> None:
        """Refuse a logon and end the connection; the other side gets the reason, in a Logout, only with `say`."""
        if say:
            self._outbox.emit("5", [(58, text)])
        self._add_event(SessionEventKind.REFUSED, text)
        self._end(text)

    def _end(self, text: str = "") -> None:
        """End the connection: the outcome closes it, and a session that was logged on reports that it is down."""
        logged_on = self._state in (_State.UP, _State.LEAVING)
        self._state = _State.DOWN
        self._result.close = True
        if logged_on:
            self._add_event(SessionEventKind.DOWN, text)
        if "disconnect" in self.settings.reset and (logged_on or self.settings.initiates):
            self._restart()

    def _restart(self) -> None:
        """Reset both sequence numbers to 1, drop queued and (by the commit) stored messages, and add a RESET event."""
        self._outbox.reset_numbers()
        self._next_in = 1
        self._since_ns = self._now
        self._forget_gap()
        self._was_reset = True
        self._add_event(SessionEventKind.RESET)

    def _finish(self) -> Outcome:
        """Commit the changes of this call to the store, then return its outcome."""
        result = self._result
        self._result = Outcome()
        result.data, sent = self._outbox.take()
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

    def _dispatch(self, message: Message) -> None:
        """Process a received message by the session's state and the message's number."""
        kind = message.kind
        number = message.number
        if self._state in (_State.WAITS, _State.ASKED):
            self._handle_first(message)
        elif not self._has_valid_header(message):
            return
        # Reset mode ignores MsgSeqNum by the standard: it is the way out when numbers disagree.
        elif kind == "4" and not message.is_yes(123):
            self._apply_sequence_reset(message)
        elif kind == "A" and message.is_yes(141) and number == 1:
            self._accept_reset_logon(message)
        elif number < 0:
            self._begin_logout("MsgSeqNum (34) is missing or no number")
        elif kind == "5":
            self._answer_logout(message)
        elif kind == "3" and self._gap is not None and message.get(45) == str(self._gap.request):
            self._next_in += number == self._next_in  # whatever its number: nothing before it comes
            self._begin_logout("the ResendRequest was rejected")
        else:
            if (
                kind == "2"
                and number != self._next_in
                and examine(message, self.settings, self._now)[1] is None
            ):
                self._answer_resend_request(
                    message
                )  # at once: two sides that both miss messages would wait for each other
                self._answered_resends.add(number)
            if number == self._next_in:
                self._process(message)
                self._process_queued()
            elif number > self._next_in:
                self._queue_early(message)
            else:
                self._handle_late(message)

    def _has_valid_header(self, message: Message) -> bool:
        """Whether a message's CompIDs and SendingTime are valid; else it is rejected and the session logs out."""
        # By the standard a Logout, not a Reject: no later message can be trusted to mean what it says.
        if message.begin != self.settings.begin:
            self._begin_logout(f"BeginString must be {self.settings.begin}")
            return False
        fault = header_fault(message, self.settings, self._now)
        if fault is not None and self.up:
            self._reject(message, fault)
            self._next_in += message.number == self._next_in
            self._begin_logout()
        return fault is None

    def _handle_first(self, message: Message) -> None:
        """Accept the first message of a connection if it is a valid Logon that is admitted, else refuse the connection."""
        initiated = self._state is _State.ASKED
        reason = logon_fault(message, self.settings, self._now)
        if reason and initiated and message.kind in ("5", "3"):
            self._next_in += message.number == self._next_in
            self._refuse(f"the other side says: {message.get(58) or 'nothing'}")
        elif reason:
            self._refuse(reason)
        elif (
            not initiated
            and self.settings.admit is not None
            and (reason := self.settings.admit(message))
        ):
            self._refuse(reason, say=True)
        else:
            self._accept_logon(message, initiated)

    def _accept_logon(self, message: Message, initiated: bool) -> None:
        """Accept a valid Logon: answer it, or complete an initiated one, and request missing messages; refuse one whose
        numbers are invalid."""
        reset = message.is_yes(141)
        number = message.number
        # An unrequested reset would drop messages that the other side has never repeated.
        if initiated and reset and (self._outbox.next, self._next_in) != (2, 1):
            return self._refuse(
                "the other side has reset its sequence numbers, and was not asked to", say=True
            )
        if not initiated and (reset or "logon" in self.settings.reset):
            self._restart()
        wanted = message.integer(789, 0) if self.settings.next_expected else 0
        if reason := number_fault(message, wanted, self.numbers):
            return self._refuse(reason, say=True)
        early = number > self._next_in
        last = self._outbox.next - 1
        self._next_in += not early
        if not initiated:
            self._heartbeat_ns = message.integer(108) * _NS_PER_S
            self._log_on(reset)
        self._state = _State.UP
        self._add_event(SessionEventKind.UP)
        if 0 < wanted <= last:
            self._resend(wanted, last)
        if early:
            self._queue[number] = message
            # With NextExpectedMsgSeqNum the other side resends by itself; after a request it would resend twice.
            self._request_missing(number - 1, ask=not wanted)
        return None

    def _accept_reset_logon(self, message: Message) -> None:
        """Reset both numbers on a Logon with ResetSeqNumFlag and number 1 (checked by the caller) while logged on and answer it;
        reject one with faulty fields.
        """
        fault = examine(message, self.settings, self._now)[1]
        if fault is not None:
            return self._reject(message, fault)
        self._restart()
        self._heartbeat_ns = message.integer(108, 0) * _NS_PER_S
        self._next_in = 2
        return self._log_on(reset=True)

    def _answer_logout(self, message: Message) -> None:
        """Answer a Logout and end the connection, even when messages are missing: the next logon requests them all."""
        self._next_in += message.number == self._next_in
        if self._state is not _State.LEAVING:
            self._outbox.emit("5", [])
        self._end(message.get(58) or "the other side logged out")
        if "logout" in self.settings.reset:
            self._restart()

    def _apply_sequence_reset(self, message: Message) -> None:
        """Set the next expected number by a SequenceReset in reset mode, whatever the message's own number."""
        fault = examine(message, self.settings, self._now)[1]
        new = message.integer(36)
        if fault is not None or new < self._next_in:
            self._reject(message, fault or MessageFault(INCORRECT_VALUE))
        else:
            self._next_in = new
            self._process_queued()

    def _handle_late(self, message: Message) -> None:
        """Drop a message with a number already processed if it is a repetition (PossDup), else log out and end the connection."""
        if message.kind == "2" or not self.up:
            self._answered_resends.discard(message.number)
        elif not message.is_yes(43):
            self._outbox.emit(
                "5",
                [(58, f"MsgSeqNum is too low: {self._next_in} is expected, {message.number} came")],
            )
            self._end("MsgSeqNum is too low")
        elif fault := orig_time_fault(message):
            self._reject(message, fault)
            if fault.reason == SENDING_TIME_PROBLEM:
                self._begin_logout()

    def _process(self, message: Message) -> None:
        """Process the next message in sequence."""
        kind = message.kind
        message, fault = examine(message, self.settings, self._now)
        if fault is None and kind == "4":
            if (new := message.integer(36)) > self._next_in:
                self._next_in = new
                return
            fault = MessageFault(INCORRECT_VALUE, 36)
        # Before it is examined: a message that is rejected has been received all the same.
        self._next_in += 1
        if fault is not None:
            self._reject(message, fault)
            if fault.reason == SENDING_TIME_PROBLEM:
                self._begin_logout()
        elif kind == "1":
            self._outbox.emit("0", [(112, message.get(112))] if message.get(112) else [])
        elif kind == "2":
            if message.number not in self._answered_resends:
                self._answer_resend_request(message)
            self._answered_resends.discard(message.number)
        elif kind not in ("0", "A"):
            self._deliver(message)

    def _deliver(self, message: Message) -> None:
        """Add an application message to the outcome, or send a BusinessReject where the session takes none of its type."""
        takes = self.settings.takes
        kind = message.kind
        if kind == "3" or (kind in self._rules.messages and (takes is None or kind in takes)):
            self._result.messages.append(message)
            return
        fields = [
            (45, str(message.number)),
            (372, kind),
            (380, "3"),
            (58, "this message type is not supported"),
        ]
        self._outbox.emit_stored([self._outbox.add_header("j", fields)])
        self._add_event(SessionEventKind.REJECTED, f"35={kind} is not supported", message)

    def _forget_gap(self) -> None:
        """Drop queued early messages and the open resend request."""
        self._queue: dict[int, Message] = {}
        self._answered_resends: set[int] = set()
        self._gap: _Gap | None = None

    def _queue_early(self, message: Message) -> None:
        """Queue a message until those before it have come, and request these if that is not done yet."""
        if len(self._queue) < self.settings.most_queued:
            self._queue.setdefault(message.number, message)
        if self._gap is None:
            self._request_missing(message.number - 1)
        elif message.is_yes(43) and self._next_in > self._gap.first:
            self._request_missing(
                max(self._gap.last, message.number - 1)
            )  # one of the repeated ones was lost

    def _request_missing(self, last: int, ask: bool = True) -> None:
        """Note messages up to `last` as missing and request them (`ask`), or log out where the settings say so."""
        self._add_event(SessionEventKind.GAP, f"{self._next_in} to {last}")
        if self.settings.on_gap == "logout":
            return self._begin_logout(f"messages {self._next_in} to {last} are missing")
        self._gap = _Gap(self._next_in, last, self._outbox.next, self._now)
        if ask:
            self._outbox.emit("2", [(7, str(self._next_in)), (16, "0")])
        return None

    def _process_queued(self) -> None:
        """Process queued messages that are next now."""
        while self.connected and (message := self._queue.pop(self._next_in, None)) is not None:
            self._process(message)
        if self._gap is not None:
            self._gap.since_ns = self._now
            if self._next_in > self._gap.last:
                self._gap = None
        self._queue = {
            number: queued for number, queued in self._queue.items() if number >= self._next_in
        }
        if self._gap is None and self._queue and self._state is _State.UP:
            self._request_missing(min(self._queue) - 1)

    def _answer_resend_request(self, request: Message) -> None:
        """Answer a ResendRequest (2) of the other side."""
        first = max(request.integer(7), 1)
        last = request.integer(16)
        self._resend(first, self._outbox.next - 1 if not 0 < last < self._outbox.next else last)

    def _resend(self, first: int = 0, last: int = 0) -> None:
        """Resend sent messages, by default those held back before; those of types never repeated are reported as events."""
        # Types that are never repeated are gap-filled: the sender of such a message has to know.
        for number, message in self._outbox.resend(first, last):
            self._add_event(SessionEventKind.NOT_REPEATED, f"35={message.kind}, {number}", message)

    def _keep_alive(self) -> None:
        """Send heartbeats, test requests, held-back resends and repeated ResendRequests that are due; end a silent
        session, log out where a gap is never filled."""
        interval = self._heartbeat_ns
        now = self._now
        gap = self._gap
        # Requests for repetition that were held back, as too much was repeated at once, are answered now.
        self._resend()
        if interval and self._tested_ns and now - self._tested_ns >= interval:
            return self._end("no answer to a TestRequest")
        if (
            interval
            and not self._tested_ns
            and now - self._received_ns >= _QUIET_INTERVALS * interval
        ):
            self._outbox.emit("1", [(112, "TEST")])
            self._tested_ns = now
        elif interval and now - self._outbox.sent_ns >= interval:
            self._outbox.emit("0", [])
        if gap is not None and now - gap.since_ns >= self.settings.answer_s * _NS_PER_S:
            # A side that never fills the gap would get requests for ever, and its messages are queued meanwhile.
            if gap.times >= _MOST_REQUESTS:
                return self._begin_logout(f"messages {self._next_in} to {gap.last} never came")
            self._request_missing(gap.last)
            if self._gap is not None:
                self._gap.times = gap.times + 1
        return None
