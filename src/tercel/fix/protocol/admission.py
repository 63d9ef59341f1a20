"""Admission of messages to a session: CompIDs, SendingTime, OrigSendingTime, and the numbers of a Logon."""

from collections import deque
from typing import TYPE_CHECKING, Final

from tercel.fix.protocol.faults import (
    COMP_ID_PROBLEM,
    INVALID_TYPE,
    MISSING_TAG,
    SENDING_TIME_PROBLEM,
    MessageFault,
)
from tercel.fix.protocol.message import Message, utc_ns
from tercel.fix.protocol.salvage import (
    BOOKING_TAGS,
    ENDS_QUOTES,
    EXECUTION_REPORT,
    OWNER_TAGS,
    find_miscounted,
    salvage,
)
from tercel.fix.protocol.validate import faults

if TYPE_CHECKING:
    from tercel.fix.protocol.session_store import SequenceNumbers
    from tercel.fix.protocol.settings import SessionSettings

_WINDOW: Final = 64


class ClockOffset:
    """Offset of the local clock to the other side's: the minimum over the last messages, as transit time only adds to
    it.

    >>> offset = ClockOffset()
    >>> for ns in (1_700_000_000_250_000_000, 1_700_000_000_130_000_000):
    ...     offset.observe(Message("FIX.4.4", [(35, "0"), (52, "20231114-22:13:20.100")]), ns)
    >>> offset.ns
    30000000
    """

    def __init__(self) -> None:
        self._seen: deque[int] = deque(maxlen=_WINDOW)

    def observe(self, message: Message, now_ns: int) -> None:
        """Record a message's SendingTime; a message without a valid one is ignored."""
        if (sent_ns := utc_ns(message.get(52))) is not None:
            self._seen.append(now_ns - sent_ns)

    @property
    def ns(self) -> int | None:
        """Local clock minus the other side's, ns, with the shortest transit of the last messages; None before the first
        message."""
        return min(self._seen, default=None)


def outside_tolerance(message: Message, settings: "SessionSettings", now_ns: int) -> bool:
    """Whether SendingTime is too far from the local time; False if it is missing or invalid."""
    sent_ns = utc_ns(message.get(52))
    return sent_ns is not None and abs(now_ns - sent_ns) > settings.accuracy_s * 1e9


def header_fault(message: Message, settings: "SessionSettings", now_ns: int) -> MessageFault | None:
    """Fault in a message's CompIDs or SendingTime; None if they are right or missing; a readable execution may have any time.

    Missing fields are another fault, and an execution that can be read is taken from any time.

    >>> from tercel.fix.protocol.settings import SessionSettings
    >>> settings = SessionSettings("VENUE", "DESK")
    >>> header_fault(Message("FIX.4.4", [(35, "0"), (49, "OTHER"), (56, "VENUE")]), settings, 0)
    MessageFault(reason=9, tag=None)
    """
    names = settings.target, settings.sender
    if (message.get(49) or names[0], message.get(56) or names[1]) != names:
        return MessageFault(COMP_ID_PROBLEM)
    if (
        not outside_tolerance(message, settings, now_ns)
        or examine(message, settings, now_ns)[0].fault
    ):
        return None
    return MessageFault(SENDING_TIME_PROBLEM)


def orig_time_fault(message: Message) -> MessageFault | None:
    """Fault in a resent message's OrigSendingTime, missing (but in a SequenceReset) or later than SendingTime; else None."""
    if 122 not in message:
        return None if message.kind == "4" else MessageFault(MISSING_TAG, 122)
    first = utc_ns(message.get(122))
    again = utc_ns(message.get(52))
    return MessageFault(SENDING_TIME_PROBLEM) if first and again and first > again else None


def examine(
    message: Message, settings: "SessionSettings", now_ns: int
) -> tuple[Message, MessageFault | None]:
    """A message in sequence and its first fault; a faulty ExecutionReport with a clear booking is salvaged instead.

    No fill is lost for a field that nothing reads (:func:`tercel.fix.protocol.salvage.salvage`). A report that may end a quote
    is returned whole, with its fault in words: its reader takes no such quote.
    """
    rules = settings.rules
    found_faults = faults(message, rules, settings.user_tags, settings.unchecked)
    if message.is_yes(43) and (late := orig_time_fault(message)) is not None:
        found_faults.append(late)
    if (
        not found_faults
        and message.kind not in rules.messages
        and message.kind not in rules.other_types
    ):
        found_faults.append(MessageFault(INVALID_TYPE))
    if (
        not found_faults
        and settings.examine is not None
        and (further_fault := settings.examine(message)) is not None
    ):
        found_faults.append(further_fault)
    if message.kind == EXECUTION_REPORT:
        found_faults += find_miscounted(message, rules.data_fields)
        if outside_tolerance(message, settings, now_ns):
            found_faults.append(MessageFault(SENDING_TIME_PROBLEM))
        if found_faults and (rest := salvage(message, found_faults)) is not None:
            return rest, None
        found_faults.sort(
            key=lambda fault: fault.tag not in BOOKING_TAGS | OWNER_TAGS | {31, 32}
        )  # first, why it cannot be booked
    elif found_faults and settings.initiates and message.kind in ENDS_QUOTES:
        return Message(
            message.begin, message.fields, f"{found_faults[0].tag}: {found_faults[0].text}"
        ), None
    return message, next(iter(found_faults), None)


def number_fault(message: Message, wanted: int, numbers: "SequenceNumbers") -> str:
    """Reason why a logon's sequence numbers are invalid; "" if they agree, or only messages are missing, which can be resent.

    `wanted` is its NextExpectedMsgSeqNum, 0 if it has none.
    """
    reset = message.is_yes(141)
    number = message.number
    if reset and number != 1:
        return "MsgSeqNum must be 1 where ResetSeqNumFlag is Y"
    if number < numbers.next_in:
        return f"MsgSeqNum is too low: {numbers.next_in} is expected, {number} came"
    if wanted > numbers.next_out:
        return (
            f"NextExpectedMsgSeqNum is too high: {numbers.next_out} is next, {wanted} is expected"
        )
    return ""


def logon_fault(message: Message, settings: "SessionSettings", now_ns: int) -> str:
    """Reason to refuse a connection's first message; "" for a valid Logon.

    >>> from tercel.fix.protocol.settings import SessionSettings
    >>> logon_fault(Message("FIX.4.4", [(35, "0"), (49, "DESK"), (56, "VENUE")]), SessionSettings("VENUE", "DESK"), 0)
    'the first message is no Logon'
    """
    if message.begin != settings.begin or (message.get(49), message.get(56)) != (
        settings.target,
        settings.sender,
    ):
        return "BeginString, SenderCompID or TargetCompID is not this session's"
    if message.kind != "A":
        return "the first message is no Logon"
    if outside_tolerance(message, settings, now_ns):
        return "SendingTime is too far from the time here"
    if (fault := examine(message, settings, now_ns)[1]) is not None:
        return f"field {fault.tag} of the Logon: {fault.text}"
    if message.get(98, "0") != "0" or message.integer(108) < 0 or message.number < 0:
        return "a Logon with encryption, without HeartBtInt or without MsgSeqNum"
    return ""
