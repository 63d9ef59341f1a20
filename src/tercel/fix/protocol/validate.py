"""Validation of messages against a dictionary: SessionRejectReason (373) and RefTagID (371).

Source: FIX 4.4, volume 2, Reject (35=3) and its reasons; the order of checks is Tercel's: fields in their order, then
missing ones.
"""

from collections.abc import Collection, Mapping
from typing import Final

from tercel.fix.protocol.dictionary import FRAMING, Block, Dictionary, FieldRule
from tercel.fix.protocol.faults import (
    GROUP_OUT_OF_ORDER,
    INCORRECT_VALUE,
    INVALID_TAG,
    INVALID_TYPE,
    MISSING_TAG,
    NOT_IN_MESSAGE,
    OUT_OF_ORDER,
    REPEATED_TAG,
    WRONG_COUNT,
    MessageFault,
)
from tercel.fix.protocol.message import USER_TAGS, Fields, Message

# Routing fields of a message, and those of its answer.
_ROUTES: Final = ((115, 128), (116, 129), (144, 145), (128, 115), (129, 116), (145, 144))


def reject(message: Message, fault: MessageFault, dictionary: Dictionary) -> Fields:
    """Body of the Reject (35=3) of a message, addressed to its sender.

    >>> from tercel.fix.protocol.dictionary import standard
    >>> order = Message("FIX.4.4", [(35, "D"), (34, "7"), (115, "FUND")])
    >>> reject(order, MessageFault(MISSING_TAG, 11), standard("FIX.4.4"))[:-1]
    [(128, 'FUND'), (45, '7'), (371, '11'), (372, 'D'), (373, '1')]
    """
    fields = [(answer_tag, message.get(tag)) for tag, answer_tag in _ROUTES if message.get(tag)]
    fields.append((45, str(max(message.number, 0))))
    fields += [] if fault.tag is None else [(371, str(fault.tag))]
    fields.append((372, message.kind))
    reasons = dictionary.fields.get(373)
    if reasons is not None and not reasons.fault(str(fault.reason)):
        fields.append((373, str(fault.reason)))
    return [*fields, (58, fault.text)]


def first_fault(
    message: Message, dictionary: Dictionary, user_tags: bool = False
) -> MessageFault | None:
    """First fault of a message, or None; parameters as for :func:`faults`.

    >>> from tercel.fix.protocol.dictionary import standard
    >>> head = [(49, "A"), (56, "B"), (34, "2"), (52, "20231114-22:13:20")]
    >>> first_fault(Message("FIX.4.4", [(35, "1"), *head]), standard("FIX.4.4"))
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
    >>> from tercel.fix.protocol.faults import NO_VALUE
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
            walk.add_fault(MISSING_TAG, tag)
    return walk.faults


class _Walk:
    def __init__(
        self, fields: Fields, dictionary: Dictionary, user_tags: bool, unchecked: Collection[int]
    ) -> None:
        self._fields = fields
        self._dictionary = dictionary
        self._user_tags = user_tags
        self._rules: Mapping[int, FieldRule] = dictionary.fields
        self._unchecked = unchecked
        self._position = 0
        self.faults: list[MessageFault] = []

    def add_fault(self, reason: int, tag: int) -> None:
        """Record a fault, unless its reason is unchecked."""
        if reason not in self._unchecked:
            self.faults.append(MessageFault(reason, tag))

    def body(self, block: Block) -> None:
        """Check header, body and trailer; after a field out of place the walk resumes where it was."""
        parts = [
            (part, set[int]())
            for part in (self._dictionary.header, block, self._dictionary.trailer)
        ]
        while True:
            for part, seen in parts:
                self.block(part, seen)
            if self._position == len(self._fields):
                return
            tag = self._fields[self._position][0]
            reason = self._misplaced_reason(tag, block)
            if reason == OUT_OF_ORDER or tag < USER_TAGS or not self._user_tags:
                self.add_fault(reason, tag)
            self._position += reason != OUT_OF_ORDER

    def _misplaced_reason(self, tag: int, block: Block) -> int:
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
        """Check a block's members up to a foreign field and add their tags to `seen`; `outer`: the block around a group
        entry."""
        fields = self._fields
        members = block.members
        rules = self._rules
        first = self._position
        while self._position < len(fields):
            tag, value = fields[self._position]
            if tag not in members:
                if self._user_tags and tag >= USER_TAGS and tag not in rules:
                    self._position += 1
                    continue
                return
            if tag in seen:
                if outer is not None and (tag == fields[first][0] or tag in outer.members):
                    return
                self.add_fault(REPEATED_TAG, tag)
            seen.add(tag)
            if fault := rules[tag].fault(value):
                self.add_fault(
                    INVALID_TYPE if tag == 35 and fault == INCORRECT_VALUE else fault, tag
                )
            self._position += 1
            if (inner := members[tag]) is not None:
                self._group(inner, tag, 0 if fault else int(value), block)

    def _group(self, block: Block, counter: int, count: int, outer: Block) -> None:
        """Check the entries of a repeating group that announces `count` of them."""
        fields = self._fields
        entries = 0
        while self._position < len(fields):
            tag = fields[self._position][0]
            # What follows the last entry may be a field of the message that an entry could have, too.
            if tag != block.first and (tag not in block.members or entries >= count):
                break
            if tag != block.first:
                self.add_fault(GROUP_OUT_OF_ORDER, tag)
            entries += 1
            seen: set[int] = set()
            self.block(block, seen, outer)
            for needed in block.required:
                if needed not in seen:
                    self.add_fault(MISSING_TAG, needed)
        if entries != count:
            self.add_fault(WRONG_COUNT, counter)
