"""Faults of FIX messages: SessionRejectReason (373) of FIX 4.4, each with its text."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

INVALID_TAG: Final = 0
MISSING_TAG: Final = 1
NOT_IN_MESSAGE: Final = 2
COMP_ID_PROBLEM: Final = 9
SENDING_TIME_PROBLEM: Final = 10
NO_VALUE: Final = 4
INCORRECT_VALUE: Final = 5
INCORRECT_FORMAT: Final = 6
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
        REPEATED_TAG: "a tag occurs twice",
        OUT_OF_ORDER: "a field of the header, body or trailer is out of place",
        GROUP_OUT_OF_ORDER: "a repeating group does not begin with its first field",
        WRONG_COUNT: "a repeating group has another number of entries",
    }
)


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
