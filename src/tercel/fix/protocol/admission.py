"""Admission of a message: CompIDs, BeginString, SendingTime and OrigSendingTime."""

from collections import deque
from typing import Final

from tercel.fix.protocol import validate as v
from tercel.fix.protocol.message import Message, utc_ns
from tercel.fix.protocol.settings import SequenceNumbers, SessionSettings

_KEPT: Final = 64


class ClockOffset:
    """How far the clock here is ahead of the other side's: the least that the last messages say, as time on the way
    only adds to it.

    >>> offset = ClockOffset()
    >>> for ns in (1_700_000_000_250_000_000, 1_700_000_000_130_000_000):
    ...     offset.see(Message("FIX.4.4", [(35, "0"), (52, "20231114-22:13:20.100")]), ns)
    >>> offset.ns
    30000000
    """

    def __init__(self) -> None:
        self._seen: deque[int] = deque(maxlen=_KEPT)

    def see(self, message: Message, now_ns: int) -> None:
        """Record a message's SendingTime."""
        if (sent_ns := utc_ns(message.get(52))) is not None:
            self._seen.append(now_ns - sent_ns)

    @property
    def ns(self) -> int | None:
        """Offset in nanoseconds; None before the first message."""
        return min(self._seen, default=None)


def out_of_time(message: Message, settings: SessionSettings, now_ns: int) -> bool:
    """Whether SendingTime is too far from the local time."""
    sent_ns = utc_ns(message.get(52))
    return sent_ns is not None and abs(now_ns - sent_ns) > settings.accuracy_s * 1e9


def misplaced(message: Message, settings: SessionSettings, now_ns: int) -> v.MessageFault | None:
    """Fault in a message's CompIDs or SendingTime; missing ones are another fault, and an execution that can be read is
    taken from any time.

    >>> settings = SessionSettings("VENUE", "DESK")
    >>> misplaced(Message("FIX.4.4", [(35, "0"), (49, "OTHER"), (56, "VENUE")]), settings, 0)
    MessageFault(reason=9, tag=None)
    """
    names = settings.target, settings.sender
    if (message.get(49) or names[0], message.get(56) or names[1]) != names:
        return v.MessageFault(v.COMP_ID_PROBLEM)
    if not out_of_time(message, settings, now_ns) or judged(message, settings, now_ns)[0].fault:
        return None
    return v.MessageFault(v.SENDING_TIME_PROBLEM)


def dated_wrong(message: Message) -> v.MessageFault | None:
    """Fault in a resent message's OrigSendingTime."""
    if 122 not in message:
        return None if message.kind == "4" else v.MessageFault(v.MISSING_TAG, 122)
    first, again = utc_ns(message.get(122)), utc_ns(message.get(52))
    return v.MessageFault(v.SENDING_TIME_PROBLEM) if first and again and first > again else None


def judged(
    message: Message, settings: SessionSettings, now_ns: int
) -> tuple[Message, v.MessageFault | None]:
    """A message in sequence and its first fault; an ExecutionReport that says clearly what is booked comes without what
    is wrong with it, and without a fault: no fill is lost for a field that nothing reads (`validate.salvaged`)."""
    rules = settings.rules
    found = v.faults(message, rules, settings.user_tags, settings.unchecked)
    if message.says(43) and (late := dated_wrong(message)) is not None:
        found.append(late)
    if not found and message.kind not in rules.messages and message.kind not in rules.other_types:
        found.append(v.MessageFault(v.INVALID_TYPE))
    if (
        not found
        and settings.examine is not None
        and (more := settings.examine(message)) is not None
    ):
        found.append(more)
    if message.kind == v.EXECUTION_REPORT:
        found += v.miscounted(message, rules.data_fields)
        if out_of_time(message, settings, now_ns):
            found.append(v.MessageFault(v.SENDING_TIME_PROBLEM))
        if found and (rest := v.salvaged(message, found)) is not None:
            return rest, None
    return message, next(iter(found), None)


def disagreement(message: Message, wanted: int, numbers: SequenceNumbers) -> str:
    """Why a logon's sequence numbers cannot be mended; "" where they agree or messages can be repeated.

    `wanted` is its NextExpectedMsgSeqNum, 0 where it has none.
    """
    reset, number = message.says(141), message.number
    if reset and number != 1:
        return "MsgSeqNum must be 1 where ResetSeqNumFlag is Y"
    if number < numbers.next_in:
        return f"MsgSeqNum is too low: {numbers.next_in} is expected, {number} came"
    if wanted > numbers.next_out:
        return (
            f"NextExpectedMsgSeqNum is too high: {numbers.next_out} is next, {wanted} is expected"
        )
    return ""


def refusal(message: Message, settings: SessionSettings, now_ns: int) -> str:
    """Why a connection's first message is refused; "" for a valid logon.

    >>> refusal(Message("FIX.4.4", [(35, "0"), (49, "DESK"), (56, "VENUE")]), SessionSettings("VENUE", "DESK"), 0)
    'the first message is no Logon'
    """
    if message.begin != settings.begin or (message.get(49), message.get(56)) != (
        settings.target,
        settings.sender,
    ):
        return "BeginString, SenderCompID or TargetCompID is not this session's"
    if message.kind != "A":
        return "the first message is no Logon"
    if out_of_time(message, settings, now_ns):
        return "SendingTime is too far from the time here"
    if (fault := judged(message, settings, now_ns)[1]) is not None:
        return f"field {fault.tag} of the Logon: {fault.text}"
    if message.get(98, "0") != "0" or message.whole(108) < 0 or message.number < 0:
        return "a Logon with encryption, without HeartBtInt or without MsgSeqNum"
    return ""
