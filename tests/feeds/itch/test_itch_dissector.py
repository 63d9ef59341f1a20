"""A simulated day, written as ITCH, decoded by tshark with a dissector of others, made from the specification.

The messages go out over MoldUDP64 in a capture file. Every field of every message that makes a row of the tape is
compared.
"""

import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tercel.cli.root import app
from tercel.market.tape import Lake, schema

PREFIX = "nasdaq.nsmequities.totalview.itch.v5.0.2017."
FIELDS = (
    "messagetype",
    "orderreferencenumber",
    "price",
    "shares",
    "executedshares",
    "canceledshares",
    "timestamp",
)
NOBODY = 65534


def messages_of(data: bytes) -> list[bytes]:
    """Messages of a file, each behind two bytes of its length."""
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from(">H", data, at)
        found.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    return found


def capture(file: Path, whole: list[bytes], per_packet: int = 8) -> None:
    """Messages as MoldUDP64 packets in a classic capture file of raw IPv4."""
    with file.open("wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for start in range(0, len(whole), per_packet):
            some = whole[start : start + per_packet]
            mold = b"SESSION001" + struct.pack(">QH", start + 1, len(some))
            mold += b"".join(struct.pack(">H", len(one)) + one for one in some)
            udp = struct.pack(">HHHH", 30_000, 26_477, 8 + len(mold), 0) + mold
            ends = bytes((10, 0, 0, 1)), bytes((233, 54, 12, 111))
            ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 1, 17, 0, *ends)
            out.write(
                struct.pack("<IIII", 1_700_000_000, start, len(ip + udp), len(ip + udp)) + ip + udp
            )


def decoded(file: Path, dissector: Path) -> list[list[list[str]]]:
    """For each packet, the values of each field; tshark refuses Lua scripts when it runs as root."""
    words = [
        "tshark",
        "-X",
        f"lua_script:{dissector}",
        "-r",
        str(file),
        "-T",
        "fields",
        "-E",
        "separator=/t",
    ]
    words += ["-E", "occurrence=a", "-E", "aggregator=;"]
    for field in (*(PREFIX + name for name in FIELDS), "_ws.malformed"):
        words += ["-e", field]
    as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    found = subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HOME": str(file.parent)},
        **as_nobody,
    )
    return [
        [cell.split(";") if cell else [] for cell in line.split("\t")]
        for line in found.stdout.splitlines()
    ]


def test_a_simulated_day_is_read_by_the_dissector_of_others(
    shared_peers: Path, tmp_path: Path
) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("needs tshark: apt-get install tshark")
    words = [
        "market",
        "simulate",
        "csco",
        "--out",
        tmp_path / "lake",
        "--seconds",
        120,
        "--itch",
        tmp_path / "itch",
    ]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    (written,) = (tmp_path / "itch").iterdir()
    assert written.name == "01022030.CSCO_ITCH50"
    whole = messages_of(written.read_bytes())
    with (
        tempfile.TemporaryDirectory() as name
    ):  # tmp_path lies in a folder that nobody else may enter
        open_to_all = Path(name)
        open_to_all.chmod(0o755)
        shutil.copy(
            shared_peers / "wireshark" / "nasdaq_itch_v5_2017.lua", open_to_all / "itch.lua"
        )
        capture(open_to_all / "day.pcap", whole)
        packets = decoded(open_to_all / "day.pcap", open_to_all / "itch.lua")
    columns = {
        name: [value for packet in packets for value in packet[n]] for n, name in enumerate(FIELDS)
    }
    assert not any(packet[len(FIELDS)] for packet in packets if len(packet) > len(FIELDS))
    assert columns["messagetype"] == [chr(one[0]) for one in whole]
    lake = Lake(tmp_path / "lake")
    instrument, events = lake.read("CSCO", "2030-01-02")
    kinds = np.isin(events.kind, (schema.ADD, schema.REDUCE, schema.DELETE, schema.EXECUTE))
    of_orders = [i for i, kind in enumerate(columns["messagetype"]) if kind in "AXDE"]
    assert len(of_orders) == kinds.sum() > 500
    references = [int(value) for value in columns["orderreferencenumber"]]
    assert [one for one in references if one] == events.order_id[
        kinds
    ].tolist()  # hidden trades name no order
    priced = np.isin(events.kind, (schema.ADD, schema.TRADE_HIDDEN))
    prices = (events.price_ticks[priced] * float(instrument.tick)).tolist()
    assert [float(value) for value in columns["price"]] == pytest.approx(prices)
