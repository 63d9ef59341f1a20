"""Validation of messages: against a dictionary (SessionRejectReason 373, RefTagID 371), and against a session.

The session's part is CompIDs, BeginString, SendingTime, OrigSendingTime and the numbers of a Logon.
Source: FIX 4.4, volume 2, Reject (35=3) and its reasons; the order of checks is Tercel's: fields in their order, then
missing ones.
"""

from collections import deque
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from tercel.fix.protocol.dictionary import FRAMING, Block, Dictionary, FieldRule
from tercel.fix.protocol.message import (
    COMP_ID_PROBLEM,
    GROUP_OUT_OF_ORDER,
    INCORRECT_FORMAT,
    INCORRECT_VALUE,
    INVALID_TAG,
    INVALID_TYPE,
    MISSING_TAG,
    NOT_IN_MESSAGE,
    OUT_OF_ORDER,
    REPEATED_TAG,
    SENDING_TIME_PROBLEM,
    USER_TAGS,
    WRONG_COUNT,
    Fields,
    Message,
    MessageFault,
    counted,
    utc_ns,
)

if TYPE_CHECKING:
    from tercel.fix.protocol.settings import SequenceNumbers, SessionSettings

# Routing fields of a message, and those of its answer.
_ROUTES: Final = ((115, 128), (116, 129), (144, 145), (128, 115), (129, 116), (145, 144))


def reject(message: Message, fault: MessageFault, dictionary: Dictionary) -> Fields:
    """Body of the Reject (35=3) of a message, addressed to its sender.

    >>> from tercel.fix.protocol.dictionary import standard
    >>> order = Message("FIX.4.4", [(35, "D"), (34, "7"), (115, "FUND")])
    >>> reject(order, MessageFault(MISSING_TAG, 11), standard("FIX.4.4"))[:-1]
    [(128, 'FUND'), (45, '7'), (371, '11'), (372, 'D'), (373, '1')]
    """
    fields = [(back, message.get(tag)) for tag, back in _ROUTES if message.get(tag)]
    fields.append((45, str(max(message.number, 0))))
    fields += [] if fault.tag is None else [(371, str(fault.tag))]
    fields.append((372, message.kind))
    reasons = dictionary.fields.get(373)
    if reasons is not None and not reasons.fault(str(fault.reason)):
        fields.append((373, str(fault.reason)))
    return [*fields, (58, fault.text)]


def check(message: Message, dictionary: Dictionary, user_tags: bool = False) -> MessageFault | None:
    """First fault of a message, or None; parameters as for :func:`faults`.

    >>> from tercel.fix.protocol.dictionary import standard
    >>> head = [(49, "A"), (56, "B"), (34, "2"), (52, "20231114-22:13:20")]
    >>> check(Message("FIX.4.4", [(35, "1"), *head]), standard("FIX.4.4"))
    MessageFault(reason=1, tag=112)
    """
    return next(iter(faults(message, dictionary, user_tags)), None)


def faults(
    message: Message,
    dictionary: Dictionary,
    user_tags: bool = False,
    unchecked: Collection[int] = (),
) -> list[MessageFault]:
    """Faults of a message: those of its fields in order, then missing fields.

    Parameters
    ----------
    message : Message
        Of a type that the dictionary describes; of another, its header alone is looked at.
    dictionary : Dictionary
    user_tags : bool
        Whether tags from 5000 on that the dictionary does not have in the message may be anywhere.
    unchecked : collection of int
        Reasons (373) that are no fault here.

    >>> from tercel.fix.protocol.dictionary import standard
    >>> from tercel.fix.protocol.message import NO_VALUE
    >>> head = [(35, "1"), (49, "A"), (56, "B"), (34, "2"), (52, "20231114-22:13:20")]
    >>> test = Message("FIX.4.4", [*head, (112, ""), (999, "x")])
    >>> [(one.reason, one.tag) for one in faults(test, standard("FIX.4.4"), unchecked={NO_VALUE})]
    [(0, 999)]
    """
    walk = _Walk(message.fields, dictionary, user_tags, unchecked)
    rule = dictionary.messages.get(message.kind)
    if rule is None:
        walk.block(dictionary.header, set())
    else:
        walk.body(rule.block)
    for tag in (*dictionary.header.required, *(rule.block.required if rule else ())):
        if tag not in message:
            walk.note(MISSING_TAG, tag)
    return walk.found


class _Walk:
    def __init__(
        self, fields: Fields, dictionary: Dictionary, user_tags: bool, unchecked: Collection[int]
    ) -> None:
        self._fields = fields
        self._dictionary = dictionary
        self._user_tags = user_tags
        self._rules: Mapping[int, FieldRule] = dictionary.fields
        self._unchecked = unchecked
        self._at = 0
        self.found: list[MessageFault] = []

    def note(self, reason: int, tag: int) -> None:
        """Record a fault, unless faults of its kind are none."""
        if reason not in self._unchecked:
            self.found.append(MessageFault(reason, tag))

    def body(self, block: Block) -> None:
        """Check header, body and trailer; after a field out of place the walk resumes where it was."""
        parts = [
            (part, set[int]())
            for part in (self._dictionary.header, block, self._dictionary.trailer)
        ]
        while True:
            for part, seen in parts:
                self.block(part, seen)
            if self._at == len(self._fields):
                return
            tag = self._fields[self._at][0]
            reason = self._misplaced(tag, block)
            if reason == OUT_OF_ORDER or tag < USER_TAGS or not self._user_tags:
                self.note(reason, tag)
            self._at += reason != OUT_OF_ORDER

    def _misplaced(self, tag: int, block: Block) -> int:
        """Reject reason (373) of a tag at a wrong place."""
        if tag in self._dictionary.header.members or tag in block.members:
            return OUT_OF_ORDER
        if tag in FRAMING:
            return REPEATED_TAG
        return (
            NOT_IN_MESSAGE
            if tag in self._rules or 0 < tag <= self._dictionary.last_tag
            else INVALID_TAG
        )

    def block(self, block: Block, seen: set[int], outer: Block | None = None) -> None:
        """Check a block's members up to a foreign field; `outer` where the block is a group entry."""
        fields, members, rules, first = self._fields, block.members, self._rules, self._at
        while self._at < len(fields):
            tag, value = fields[self._at]
            if tag not in members:
                if self._user_tags and tag >= USER_TAGS and tag not in rules:
                    self._at += 1
                    continue
                return
            if tag in seen:
                if outer is not None and (tag == fields[first][0] or tag in outer.members):
                    return
                self.note(REPEATED_TAG, tag)
            seen.add(tag)
            if fault := rules[tag].fault(value):
                self.note(INVALID_TYPE if tag == 35 and fault == INCORRECT_VALUE else fault, tag)
            self._at += 1
            if (inner := members[tag]) is not None:
                self._group(inner, tag, 0 if fault else int(value), block)

    def _group(self, block: Block, counter: int, count: int, outer: Block) -> None:
        fields, entries = self._fields, 0
        while self._at < len(fields):
            tag = fields[self._at][0]
            # What follows the last entry may be a field of the message that an entry could have, too.
            if tag != block.first and (tag not in block.members or entries >= count):
                break
            if tag != block.first:
                self.note(GROUP_OUT_OF_ORDER, tag)
            entries += 1
            seen: set[int] = set()
            self.block(block, seen, outer)
            for needed in block.required:
                if needed not in seen:
                    self.note(MISSING_TAG, needed)
        if entries != count:
            self.note(WRONG_COUNT, counter)


# -- executions -------------------------------------------------------------------------------------------------------
EXECUTION_REPORT: Final = "8"
# Quote, QuoteCancel, QuoteStatusReport.
_ENDS_QUOTES: Final = frozenset({"S", "Z", "AI"})
# Account, ClOrdID, MsgSeqNum, SenderCompID, Symbol, TargetCompID: whose it is and of what.
_WHOSE: Final = frozenset({1, 11, 34, 49, 55, 56})
# CumQty, ExecID, OrderID, OrdStatus, Side, ExecType: the booking.
_SAID: Final = frozenset({14, 17, 37, 39, 54, 150})
# ExecTypes of FIX 4.2 and 4.4, each of one meaning wherever it is listed.
_EXEC_TYPES: Final = frozenset("0123456789ABCDEFGHI")


def salvaged(message: Message, found: Collection[MessageFault]) -> Message | None:
    """A faulty ExecutionReport with an unambiguous booking, without its faulty fields; `fault` has them in words.

    None for another message, and if the booking or its owner is missing, faulty or ambiguous. A valid value in a wrong
    place, or one that occurs twice, is read, and so is an ExecType or ExecTransType of the other version. OrderID may be
    missing, and CumQty but for a status, bust or correction.

    >>> said = {17: "E1", 37: "V1", 150: "0", 39: "0", 54: "1", 14: "0", 58: "a"}
    >>> report = Message("FIX.4.4", [(35, "8"), *said.items(), (58, "b")])
    >>> rest = salvaged(report, [MessageFault(REPEATED_TAG, 58)])
    >>> rest.fault, 58 in rest
    ('58: a tag occurs twice', False)
    >>> salvaged(Message("FIX.4.4", [*report.fields, (14, "100")]), [MessageFault(REPEATED_TAG, 14)])
    """
    kind = message.get(150)
    not_new = not {(20, "1"), (20, "2"), (20, "3")}.isdisjoint(message.fields)
    needed = _SAID | {31, 32} if kind in ("1", "2", "F", "G") else _SAID  # of a fill, its price
    missing = needed - message.tags
    # CumQty follows from earlier reports, unless this one says what they come to.
    if message.kind != EXECUTION_REPORT or not missing <= (
        {37} if not_new or kind in ("G", "H", "I") else {14, 37}
    ):
        return None
    # FIX 4.2 says with 20 whether a report takes back the execution that 19 names, or is of no trade, FIX 4.4 with 150.
    refers = not_new or (19 in message and (message.begin == "FIX.4.2" or kind in ("G", "H")))
    needed_tags = needed | _WHOSE | ({19, 20} if refers else set())
    values = {(tag, value) for tag, value in message.fields if tag in needed_tags}
    spoilt = {one.tag for one in found if one.reason != OUT_OF_ORDER}
    readable = {*((MISSING_TAG, tag) for tag in missing), (NOT_IN_MESSAGE, 20)}
    readable |= {(INCORRECT_VALUE, 150)} if kind in _EXEC_TYPES else set()
    wrong = {
        one.tag
        for one in found
        if one.reason not in (OUT_OF_ORDER, REPEATED_TAG) and (one.reason, one.tag) not in readable
    }
    if wrong & needed_tags or len(values) > len(dict(values)):
        return None
    rest = [field for field in message.fields if field[0] in needed_tags or field[0] not in spoilt]
    words = dict.fromkeys(
        f"{one.tag}: {one.text}" if one.tag is not None else one.text for one in found
    )
    return Message(message.begin, rest, "; ".join(words))


def miscounted(message: Message, data_fields: Mapping[int, int]) -> list[MessageFault]:
    """Data fields without their length before them, and lengths that are not those of what follows.

    >>> report = Message("FIX.4.4", [(35, "8"), (354, "9"), (355, "abc")])
    >>> [one.tag for one in miscounted(report, {354: 355})]
    [354, 355]
    """
    if message.tags.isdisjoint([*data_fields.keys(), *data_fields.values()]):
        return []
    fine = counted(message.fields, data_fields)
    return [
        MessageFault(INCORRECT_FORMAT, tag)
        for n, (tag, _) in enumerate(message.fields)
        if (tag in data_fields and n + 1 not in fine)
        or (tag in data_fields.values() and n not in fine)
    ]


# -- admission --------------------------------------------------------------------------------------------------------
_WINDOW: Final = 64


class ClockOffset:
    """Offset of the local clock to the other side's: the minimum over the last messages, as transit time only adds to
    it.

    >>> offset = ClockOffset()
    >>> for ns in (1_700_000_000_250_000_000, 1_700_000_000_130_000_000):
    ...     offset.see(Message("FIX.4.4", [(35, "0"), (52, "20231114-22:13:20.100")]), ns)
    >>> offset.ns
    30000000
    """

    def __init__(self) -> None:
        self._seen: deque[int] = deque(maxlen=_WINDOW)

    def see(self, message: Message, now_ns: int) -> None:
        """Record a message's SendingTime."""
        if (sent_ns := utc_ns(message.get(52))) is not None:
            self._seen.append(now_ns - sent_ns)

    @property
    def ns(self) -> int | None:
        """Offset in nanoseconds; None before the first message."""
        return min(self._seen, default=None)


def outside_tolerance(message: Message, settings: "SessionSettings", now_ns: int) -> bool:
    """Whether SendingTime is too far from the local time."""
    sent_ns = utc_ns(message.get(52))
    return sent_ns is not None and abs(now_ns - sent_ns) > settings.accuracy_s * 1e9


def header_fault(message: Message, settings: "SessionSettings", now_ns: int) -> MessageFault | None:
    """Fault in a message's CompIDs or SendingTime; missing ones are another fault, and an execution that can be read is
    taken from any time.

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
        or examined(message, settings, now_ns)[0].fault
    ):
        return None
    return MessageFault(SENDING_TIME_PROBLEM)


def orig_time_fault(message: Message) -> MessageFault | None:
    """Fault in a resent message's OrigSendingTime."""
    if 122 not in message:
        return None if message.kind == "4" else MessageFault(MISSING_TAG, 122)
    first, again = utc_ns(message.get(122)), utc_ns(message.get(52))
    return MessageFault(SENDING_TIME_PROBLEM) if first and again and first > again else None


def examined(
    message: Message, settings: "SessionSettings", now_ns: int
) -> tuple[Message, MessageFault | None]:
    """A message in sequence and its first fault; an ExecutionReport with an unambiguous booking is returned without its
    faulty fields, and without a fault: no fill is lost for a field that nothing reads (`validate.salvaged`). What may end
    a quote is returned whole, with its fault in words: its reader takes no such quote."""
    rules = settings.rules
    found = faults(message, rules, settings.user_tags, settings.unchecked)
    if message.says(43) and (late := orig_time_fault(message)) is not None:
        found.append(late)
    if not found and message.kind not in rules.messages and message.kind not in rules.other_types:
        found.append(MessageFault(INVALID_TYPE))
    if (
        not found
        and settings.examine is not None
        and (more := settings.examine(message)) is not None
    ):
        found.append(more)
    if message.kind == EXECUTION_REPORT:
        found += miscounted(message, rules.data_fields)
        if outside_tolerance(message, settings, now_ns):
            found.append(MessageFault(SENDING_TIME_PROBLEM))
        if found and (rest := salvaged(message, found)) is not None:
            return rest, None
        found.sort(
            key=lambda one: one.tag not in _SAID | _WHOSE | {31, 32}
        )  # first, why it cannot be booked
    elif found and settings.initiates and message.kind in _ENDS_QUOTES:
        return Message(message.begin, message.fields, f"{found[0].tag}: {found[0].text}"), None
    return message, next(iter(found), None)


def number_fault(message: Message, wanted: int, numbers: "SequenceNumbers") -> str:
    """Reason why a logon's sequence numbers are invalid; "" if they agree or messages can be resent.

    `wanted` is its NextExpectedMsgSeqNum, 0 if it has none.
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


def logon_fault(message: Message, settings: "SessionSettings", now_ns: int) -> str:
    """Reason to refuse a connection's first message; "" for a valid logon.

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
    if (fault := examined(message, settings, now_ns)[1]) is not None:
        return f"field {fault.tag} of the Logon: {fault.text}"
    if message.get(98, "0") != "0" or message.whole(108) < 0 or message.number < 0:
        return "a Logon with encryption, without HeartBtInt or without MsgSeqNum"
    return ""
