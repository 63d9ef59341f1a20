"""Validation of messages against a dictionary: SessionRejectReason (373) and RefTagID (371) of the first fault.

Source: FIX 4.4, volume 2, Reject (35=3) and its reasons; the order in which faults are looked for is our own: as the
fields stand, then what is missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tercel.fix.protocol.dictionary import FRAMING, Block, Dictionary, FieldRule
from tercel.fix.protocol.message import USER_TAGS, Fields, Message

INVALID_TAG: Final = 0
MISSING_TAG: Final = 1
NOT_IN_MESSAGE: Final = 2
NO_VALUE: Final = 4
INCORRECT_VALUE: Final = 5
INCORRECT_FORMAT: Final = 6
COMP_ID_PROBLEM: Final = 9
SENDING_TIME_PROBLEM: Final = 10
INVALID_TYPE: Final = 11
REPEATED_TAG: Final = 13
OUT_OF_ORDER: Final = 14
GROUP_OUT_OF_ORDER: Final = 15
WRONG_COUNT: Final = 16
REASONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        INVALID_TAG: "no such tag",
        MISSING_TAG: "a required tag is missing",
        NOT_IN_MESSAGE: "this message has no such tag",
        NO_VALUE: "a tag without a value",
        INCORRECT_VALUE: "a value that this tag cannot have",
        INCORRECT_FORMAT: "a value in the wrong format",
        COMP_ID_PROBLEM: "SenderCompID or TargetCompID is another's",
        SENDING_TIME_PROBLEM: "SendingTime is too far from the time here",
        INVALID_TYPE: "no such MsgType",
        REPEATED_TAG: "a tag stands twice",
        OUT_OF_ORDER: "a field of the header, body or trailer stands elsewhere",
        GROUP_OUT_OF_ORDER: "a repeating group does not begin with its first field",
        WRONG_COUNT: "a repeating group has another number of entries",
    }
)

# Who a message was sent for, and who its answer goes to.
_ROUTES: Final = ((115, 128), (116, 129), (144, 145), (128, 115), (129, 116), (145, 144))


@dataclass(frozen=True)
class MessageFault:
    """Fault of a message: reject reason and tag.

    Parameters
    ----------
    reason : int
        SessionRejectReason (373).
    tag : int, optional
        RefTagID (371).
    """

    reason: int
    tag: int | None = None

    @property
    def text(self) -> str:
        """The reason in words."""
        return REASONS[self.reason]


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


class _FoundError(Exception):
    def __init__(self, reason: int, tag: int) -> None:
        self.fault = MessageFault(reason, tag)


def check(message: Message, dictionary: Dictionary, user_tags: bool = False) -> MessageFault | None:
    """First fault of a message, or None.

    Parameters
    ----------
    message : Message
        Of a type that the dictionary describes; of another, its header alone is looked at.
    dictionary : Dictionary
    user_tags : bool
        Whether tags from 5000 on that the dictionary does not know may stand anywhere.

    >>> from tercel.fix.protocol.dictionary import standard
    >>> head = [(49, "A"), (56, "B"), (34, "2"), (52, "20231114-22:13:20")]
    >>> check(Message("FIX.4.4", [(35, "1"), *head]), standard("FIX.4.4"))
    MessageFault(reason=1, tag=112)
    """
    walk = _Walk(message.fields, dictionary, user_tags)
    rule = dictionary.messages.get(message.kind)
    try:
        walk.block(dictionary.header, set())
        if rule is not None:
            walk.body(rule.block)
        for tag in (*dictionary.header.required, *(rule.block.required if rule else ())):
            if tag not in message:
                return MessageFault(MISSING_TAG, tag)
    except _FoundError as found:
        return found.fault
    return None


class _Walk:
    def __init__(self, fields: Fields, dictionary: Dictionary, user_tags: bool) -> None:
        self._fields, self._dictionary, self._user_tags = fields, dictionary, user_tags
        self._rules: Mapping[int, FieldRule] = dictionary.fields
        self._at = 0

    def body(self, block: Block) -> None:
        """Check body and trailer."""
        seen: set[int] = set()
        self.block(block, seen)
        self.block(self._dictionary.trailer, set())
        if self._at < len(self._fields):
            raise _FoundError(self._misplaced(block), self._fields[self._at][0])

    def _misplaced(self, block: Block) -> int:
        """Why a tag cannot stand where it does."""
        tag, dictionary = self._fields[self._at][0], self._dictionary
        if tag in dictionary.header.members or tag in block.members:
            return OUT_OF_ORDER
        if tag in FRAMING:
            return REPEATED_TAG
        if tag in self._rules or 0 < tag <= dictionary.last_tag:
            return NOT_IN_MESSAGE
        return INVALID_TAG

    def block(self, block: Block, seen: set[int], outer: Block | None = None) -> None:
        """Check a block's members up to a foreign field; `outer` where the block is a group entry."""
        fields, members, rules = self._fields, block.members, self._rules
        while self._at < len(fields):
            tag, value = fields[self._at]
            if tag not in members:
                if self._user_tags and tag >= USER_TAGS and tag not in rules:
                    self._at += 1
                    continue
                return
            if tag in seen:
                if outer is not None and (tag == block.first or tag in outer.members):
                    return
                raise _FoundError(REPEATED_TAG, tag)
            seen.add(tag)
            if fault := rules[tag].fault(value):
                raise _FoundError(INVALID_TYPE if tag == 35 and fault == INCORRECT_VALUE else fault, tag)
            self._at += 1
            if (inner := members[tag]) is not None:
                self._group(inner, tag, int(value), block)

    def _group(self, block: Block, counter: int, count: int, outer: Block) -> None:
        fields, entries = self._fields, 0
        while self._at < len(fields) and fields[self._at][0] == block.first:
            entries += 1
            seen: set[int] = set()
            self.block(block, seen, outer)
            for tag in block.required:
                if tag not in seen:
                    raise _FoundError(MISSING_TAG, tag)
        if entries != count:
            if not entries and self._at < len(fields) and fields[self._at][0] in block.members:
                raise _FoundError(GROUP_OUT_OF_ORDER, fields[self._at][0])
            raise _FoundError(WRONG_COUNT, counter)
