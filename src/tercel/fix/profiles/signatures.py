"""Text of a FIX logon that its signature in field 96 covers.

Source: "FIX API" of Binance, "How to sign Logon": MsgType, SenderCompID, TargetCompID, MsgSeqNum and SendingTime, with
SOH between them.
"""

from tercel.fix import tags as t

RAW_DATA_LENGTH = 95
RAW_DATA = 96


def signed_text(sender: str, target: str, number: str, sending_time: str) -> str:
    """Text that a logon's signature covers."""
    return t.SOH.join((t.LOGON, sender, target, number, sending_time))
