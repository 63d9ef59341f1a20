"""FIX 4.4 with nothing but a socket: an independent codec, and a counterparty that can be rude."""

import socket
from datetime import UTC, datetime

SOH = b"\x01"


def frame(body, begin=b"FIX.4.4", length=None, checksum=None, garbled=False):
    """Bytes of a message: body length and checksum are right unless given, and wrong for sure if garbled."""
    inner = b"".join(
        f"{tag}={value}".encode("utf-8", "surrogateescape") + SOH for tag, value in body
    )
    whole = (
        b"8="
        + begin
        + SOH
        + b"9="
        + str(len(inner) if length is None else length).encode()
        + SOH
        + inner
    )
    total = (sum(whole) + garbled) % 256 if checksum is None else checksum
    return whole + f"10={total:03d}".encode() + SOH


def parse(raw):
    """(tag, value) pairs of one message, its frame checked by the letter of the standard."""
    assert raw.endswith(SOH)
    fields = [
        (int(tag), value.decode("utf-8", "surrogateescape"))
        for tag, _, value in (part.partition(b"=") for part in raw.split(SOH)[:-1])
    ]
    assert [tag for tag, _ in fields[:3]] == [8, 9, 35]
    assert fields[-1][0] == 10
    assert all(value for _, value in fields), "an empty value"
    start, end = raw.index(b"\x0135=") + 1, raw.rindex(b"\x0110=") + 1
    assert int(fields[1][1]) == end - start, "body length"
    assert fields[-1][1] == f"{sum(raw[:end]) % 256:03d}", "checksum"
    header = {tag for tag, _ in fields}
    assert {34, 49, 52, 56} <= header
    return fields


class PlainClient:
    """One connection; sequence numbers are counted here."""

    def __init__(
        self,
        port,
        comp_id="A",
        target="TERCEL",
        logon=True,
        number=1,
        reset=True,
        heartbeat=30,
        **said,
    ):
        """`said`: how it differs: its version, whether it announces our tags, what else stands in its logon."""
        self.begin = said.get("begin", "FIX.4.4")
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.settimeout(5)
        self.comp_id, self.target, self.number, self._pending = comp_id, target, number, b""
        if logon:
            own = [(20021, "Y")] if said.get("own", True) else []
            self.say(
                "A",
                [
                    (98, 0),
                    (108, heartbeat),
                    *([(141, "Y")] if reset else []),
                    *own,
                    *said.get("extra", ()),
                ],
            )
            self.logon = self.hear()

    def head(self, kind, number=None):
        now = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]
        return [
            (35, kind),
            (49, self.comp_id),
            (56, self.target),
            (34, number or self.number),
            (52, now),
        ]

    def say(self, kind, fields, number=None, head=(), **frame_options):
        frame_options.setdefault("begin", self.begin.encode())
        self.raw(frame([*self.head(kind, number), *head, *fields], **frame_options))
        if number is None:
            self.number += 1

    def raw(self, data):
        self.socket.sendall(data)

    def hear_raw(self):
        """The next message's bytes, b"" at the end of the connection."""
        while True:
            end = self._pending.find(b"\x0110=")
            stop = self._pending.find(SOH, end + 1) if end >= 0 else -1
            if stop >= 0:
                message, self._pending = self._pending[: stop + 1], self._pending[stop + 1 :]
                return message
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return b""
            self._pending += more

    def hear(self, *kinds):
        """The next message (of some kinds) as a dict; {} at the end of the connection."""
        while True:
            raw = self.hear_raw()
            if not raw:
                return {}
            said = dict(parse(raw))
            if not kinds or said[35] in kinds:
                return said

    def close(self):
        self.socket.close()


def order(name, **changed):
    """Fields of a limit order to buy two lots at 99.95 on a tick of 0.05."""
    said = {
        11: name,
        55: "TINY",
        54: "1",
        60: "20200101-00:00:00",
        38: "20",
        40: "2",
        44: "4.95",
        59: "0",
    }
    said.update({int(tag[1:]): value for tag, value in changed.items()})
    return [(tag, value) for tag, value in said.items() if value != ""]
