"""Why a strategy did what it did: a decision out of the journal, in sentences and numbers."""

from collections.abc import Mapping
from typing import Any

from tercel.core.ports import Entry, Journal
from tercel.execution import columns as c
from tercel.execution import intent as it
from tercel.trading.journal import kinds
from tercel.trading.journal.blobs import unpack


def explain(journal: Journal, seq: int) -> Mapping[str, Any] | None:
    """The decision with a sequence number: {"title", "sentences", "tables": {name: {what: value}}}; None where none is.

    The sentences say what the strategy was told, what it wanted and what became of it; the tables hold what it saw.
    """
    entry = next((entry for number, entry in journal.read(seq - 1) if number == seq), None)
    if entry is None or entry.kind != kinds.DECISION:
        return None
    sentences = [*_told(entry), _wanted(entry.body.get("intent") or []), *_became(journal, entry)]
    title = f"Decision {entry.body.get('n')} of {entry.agent} on {entry.instrument}, parent {entry.parent}"
    return {"title": title, "sentences": sentences, "tables": _seen(entry)}


def decision_at(journal: Journal, parent: str | None, ns: int | None) -> int | None:
    """Number of the last decision (of a parent) up to a venue time; None where there is none."""
    found = None
    for seq, entry in journal.read(0, (kinds.DECISION,)):
        if (parent is None or entry.parent == parent) and (ns is None or entry.ns <= ns):
            found = seq
    return found


def _seen(entry: Entry) -> dict[str, dict[str, int]]:
    """The private and the public row by name, in the units that strategies see."""
    arrays = unpack(entry.blob)
    tables = {}
    for title, key, names in (("its own orders", "x", c.X_NAMES), ("the market", "m", c.M_NAMES)):
        if key in arrays:
            tables[title] = dict(zip(names, arrays[key].ravel().tolist(), strict=True))
    return tables


def _told(entry: Entry) -> list[str]:
    alpha, posture = entry.body.get("alpha"), entry.body.get("posture")
    said = "No forecast was in force."
    if alpha:
        said = f"Signals expected {alpha['expected_bps']:+.1f} bps (sd {alpha['sd_bps']:.1f}) from {alpha['sources']}."
    risk = "No posture was in force."
    if posture:
        why = "; ".join(posture.get("reasons", ())) or "nothing unusual"
        risk = (
            f"Risk allowed {100 * posture['max_participation']:.0f} % of the volume at urgency "
            f"{posture['urgency']:.2f} and size {posture['size_multiplier']:.2f}: {why}."
        )
    return [said, risk]


def _wanted(intent: list[int]) -> str:
    if not intent:
        return "It said nothing."
    rest = [
        f"{lots} at rung {rung} (anchor {intent[it.ANCHOR]}, step {intent[it.STEP]})"
        for rung, lots in enumerate(intent[it.REST0 :])
        if lots
    ]
    take = f"take {intent[it.TAKE]} lots up to {intent[it.TAKE_LIMIT]}" if intent[it.TAKE] else "take nothing"
    return f"It wanted to {take} and to rest {', '.join(rest) if rest else 'nothing'}."


def _became(journal: Journal, entry: Entry) -> list[str]:
    names = set(entry.body.get("commands", ()))
    if not names:
        return ["Its orders already stood as it wanted them: no command was needed."]
    said = []
    for _, other in journal.read(0, (kinds.ORDER_OUT, kinds.DENIED, kinds.REPORT_IN)):
        if other.order not in names or other.parent != entry.parent:
            continue
        if other.kind == kinds.ORDER_OUT:
            said.append(f"Sent {other.body.get('what')} {other.order}.")
        elif other.kind == kinds.DENIED:
            said.append(f"Denied {other.order}: {other.body.get('code')} {other.body.get('text')}.")
        elif other.body.get("what") == "report":
            said.append(
                f"The venue on {other.order}: {other.body.get('exec_type')}, {other.body.get('last_lots')} lots."
            )
    return said
