"""Manual postures, set by a person for the whole desk or for one agent until a given end.

A posture that one person sets never loosens risk's: of the two the stricter applies, as among risk's own rules. A posture
that two persons set may replace risk's.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from tercel.core.errors import OrderError, refuse_if
from tercel.core.messages import ANY_STYLE, Posture, Style
from tercel.core.ports import Entry
from tercel.desk.engine.instrument import DeskInstrument
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import SetStanceEntry
from tercel.desk.trading.journal.bodies import OperatorEntry, StanceEntry
from tercel.desk.trading.session import Session

LONGEST_NS: Final = 7 * 86_400 * 10**9
"""An end may lie so far ahead."""
POSTURE_FIELDS: Final = ("urgency", "max_participation", "styles", "size_multiplier")
"""Fields of a posture that may be set manually."""
_BLANK_POSTURE: Final = Posture("hand", 0)


def combine(posture: Posture, stance: SetStanceEntry) -> Posture:
    """A posture combined with a manual one: the stricter of both, field by field, or the manual one's fields in place
    (`instead`).

    >>> half = {"size_multiplier": 0.5}
    >>> stance = SetStanceEntry(event="set", words=half, by="ann", reason="news", instead=False, until_ns=9)
    >>> combine(Posture("A", 0, size_multiplier=0.25), stance).size_multiplier
    0.25
    >>> stance.instead = True
    >>> posture = combine(Posture("A", 0, size_multiplier=0.25), stance)
    >>> posture.size_multiplier, posture.reasons
    (0.5, ('set by ann: news',))
    """
    fields = dict(stance.words)
    for name, value in () if stance.instead else stance.words.items():
        if name == "styles":
            fields[name] = int(posture.styles) & value
        else:
            fields[name] = (max if name == "urgency" else min)(getattr(posture, name), value)
    if (styles := fields.get("styles")) is not None:
        fields |= {"styles": Style(styles) or Style.JOIN}
    reason = f"set by {stance.by}: {stance.reason}"
    return replace(posture, **fields, reasons=tuple(dict.fromkeys((*posture.reasons, reason))))


class PostureOverrides:
    """Manual postures in force, read from the session's ledger.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        """Apply the postures that people set in a session's ledger, those from before a restart included."""
        self._session = session

    def desk_posture(self, name: str, state: DeskInstrument, at_ns: int) -> Posture | None:
        """Risk's posture of an instrument with the desk's manual one; without both None, or a neutral one after an
        earlier posture."""
        stance = self._stance_in_force("", at_ns)
        risk_posture = state.policy.posture() if state.policy is not None else None
        if stance is None:
            # agents that had one are informed that it is over
            return (
                risk_posture
                if risk_posture is not None or state.posture is None
                else Posture(name, at_ns)
            )
        return combine(risk_posture or Posture(name, at_ns), stance)

    def agent_postures(self, name: str, posture: Posture | None, at_ns: int) -> dict[str, Posture]:
        """Postures of the agents that have a manual one, by agent: each combined with `posture`, the instrument's."""
        stances = {
            agent: self._stance_in_force(agent, at_ns)
            for agent in self._session.ledger.stances
            if agent
        }
        in_force = {agent: stance for agent, stance in stances.items() if stance is not None}
        base = posture or Posture(name, at_ns)
        desk_stance = self._stance_in_force("", at_ns)
        postures = {agent: combine(base, stance) for agent, stance in in_force.items()}
        if desk_stance is None or desk_stance.instead:
            return postures
        # An agent's override replaces risk's posture, not one that a person set for the whole desk.
        return {
            agent: combine(own_posture, desk_stance) if in_force[agent].instead else own_posture
            for agent, own_posture in postures.items()
        }

    def size_multiplier(self, agent: str) -> float:
        """Size multiplier of an agent's manual posture for its new parents; 1.0 without one."""
        stance = self._stance_in_force(agent, self._session.now_ns)
        return 1.0 if stance is None else float(stance.words.get("size_multiplier", 1.0))

    def _stance_in_force(self, agent: str, at_ns: int) -> SetStanceEntry | None:
        """Manual posture of an agent ("": the desk) that has not ended at a time; None without one."""
        if (entry := self._session.ledger.stances.get(agent)) is None:
            return None
        stance = SetStanceEntry.of(entry)
        return stance if at_ns < stance.until_ns else None

    def end_expired(self, now_ns: int) -> bool:
        """Journal the end of manual postures whose time is over; whether there were any."""
        entries = []
        for agent, entry in self._session.ledger.stances.items():
            stance = SetStanceEntry.of(entry)
            if stance.until_ns <= now_ns:
                body = StanceEntry(event="ended", by=stance.by, reason="its end has come").json()
                entries.append(Entry(kinds.STANCE, self._session.now_ns, agent=agent, body=body))
        self._session.gateway.write(entries)
        return bool(entries)

    def apply_command(self, operator_entry: OperatorEntry, agents: Collection[str]) -> None:
        """Set or lift a manual risk state by a journal entry, as an operator commands.

        Raises
        ------
        OrderError
            For an unknown agent, an invalid or missing posture, or an end that is not in the future.
        """
        command = operator_entry.parse_body()
        now = self._session.now_ns
        agent = command.agent or ""
        refuse_if(
            agent and agent not in agents,
            f"an agent of this desk: {', '.join(agents)}",
            repr(agent),
            "name one of them, or none",
            OrderError,
        )
        by = operator_entry.by
        reason = operator_entry.reason
        number = operator_entry.id
        if command.lift:
            refuse_if(
                agent not in self._session.ledger.stances,
                "a manual risk state",
                f"none of {agent or 'the desk'}",
                "see the postures that are set",
                OrderError,
            )
            body = StanceEntry(event="lifted", by=by, reason=reason, operator=number)
        else:
            span_ns = command.span_ns
            if type(span_ns) is not int or not 0 < span_ns <= LONGEST_NS:
                raise OrderError(
                    f"an end that lies ahead, at most {LONGEST_NS // 86_400_000_000_000} days",
                    f"{span_ns!r} ns from now",
                    "say for how long",
                )
            body = SetStanceEntry(
                event="set",
                by=by,
                reason=reason,
                operator=number,
                until_ns=now + span_ns,
                instead=bool(command.instead),
                words=_check_fields(command.words),
            )
        self._session.gateway.write([Entry(kinds.STANCE, now, agent=agent, body=body.json())])


def _check_fields(fields: object) -> dict[str, Any]:
    """The fields of a manual posture, refused if a name or value is invalid."""
    if not isinstance(fields, Mapping) or not fields or not fields.keys() <= set(POSTURE_FIELDS):
        raise OrderError(
            f"some of {', '.join(POSTURE_FIELDS)}", f"{fields!r:.200}", "name the fields to tighten"
        )
    numbers = {name: value for name, value in fields.items() if name != "styles"}
    styles = fields.get("styles", int(ANY_STYLE))
    are_numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in numbers.values()
    )
    if not are_numbers or type(styles) is not int or not 0 < styles <= int(ANY_STYLE):
        raise OrderError("numbers, and styles from 1 to 7", f"{fields!r:.200}", "correct it")
    replace(_BLANK_POSTURE, **numbers, styles=Style(styles))  # refuses what no one can act on
    return dict(fields)
