"""Manual postures, set by a person for the whole desk or for one agent until a given end.

A posture that one person sets never loosens risk's: of the two the stricter applies, as among risk's own rules. A posture
that two persons set may replace risk's.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from tercel.core.errors import OrderError
from tercel.core.messages import ANY_STYLE, Posture, Style
from tercel.core.ports import Entry
from tercel.desk.engine.instrument import DeskInstrument
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import SetStanceEntry
from tercel.desk.trading.journal.bodies import OperatorEntry, StanceEntry
from tercel.desk.trading.session import Session

LONGEST_NS: Final = 7 * 86_400 * 10**9
"""An end may lie so far ahead."""
SET, LIFTED, ENDED = "set", "lifted", "ended"
WORDS: Final = ("urgency", "max_participation", "styles", "size_multiplier")
"""Fields of a posture that may be set manually."""
_AT: Final = Posture("hand", 0)


def combined(posture: Posture, stance: SetStanceEntry) -> Posture:
    """A posture combined with a manual one: the stricter of both, or the manual one in its place.

    >>> half = {"size_multiplier": 0.5}
    >>> said = SetStanceEntry(event=SET, words=half, by="ann", reason="news", instead=False, until_ns=9)
    >>> combined(Posture("A", 0, size_multiplier=0.25), said).size_multiplier
    0.25
    >>> said.instead = True
    >>> found = combined(Posture("A", 0, size_multiplier=0.25), said)
    >>> found.size_multiplier, found.reasons
    (0.5, ('set by ann: news',))
    """
    words = dict(stance.words)
    for name, value in () if stance.instead else stance.words.items():
        if name == "styles":
            words[name] = int(posture.styles) & value
        else:
            words[name] = (max if name == "urgency" else min)(getattr(posture, name), value)
    if (styles := words.get("styles")) is not None:
        words |= {"styles": Style(styles) or Style.JOIN}
    why = f"set by {stance.by}: {stance.reason}"
    return replace(posture, **words, reasons=tuple(dict.fromkeys((*posture.reasons, why))))


class PostureOverrides:
    """Manual postures in force, from the session's ledger.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def over(self, name: str, state: DeskInstrument, at_ns: int) -> Posture | None:
        """Risk's posture of an instrument combined with the desk's override; None without either."""
        stance = self._in_force("", at_ns)
        said = state.policy.posture() if state.policy is not None else None
        if stance is None:
            # agents that had one are informed that it is over
            return said if said is not None or state.posture is None else Posture(name, at_ns)
        return combined(said or Posture(name, at_ns), stance)

    def of_agents(self, name: str, posture: Posture | None, at_ns: int) -> dict[str, Posture]:
        """Postures of the agents that have a manual one, by agent."""
        asked = {
            agent: self._in_force(agent, at_ns) for agent in self._session.ledger.stances if agent
        }
        found = {agent: stance for agent, stance in asked.items() if stance is not None}
        base, of_desk = posture or Posture(name, at_ns), self._in_force("", at_ns)
        said = {agent: combined(base, stance) for agent, stance in found.items()}
        if of_desk is None or of_desk.instead:
            return said
        # An agent's override replaces risk's posture, not one that a person set for the whole desk.
        return {
            agent: combined(one, of_desk) if found[agent].instead else one
            for agent, one in said.items()
        }

    def size(self, agent: str) -> float:
        """The multiplier of an agent's new parents."""
        stance = self._in_force(agent, self._session.now_ns)
        return 1.0 if stance is None else float(stance.words.get("size_multiplier", 1.0))

    def _in_force(self, agent: str, at_ns: int) -> SetStanceEntry | None:
        if (entry := self._session.ledger.stances.get(agent)) is None:
            return None
        stance = SetStanceEntry.of(entry)
        return stance if at_ns < stance.until_ns else None

    def end(self, now_ns: int) -> bool:
        """Journal the end of those that are over; whether there were any."""
        over = []
        for agent, entry in self._session.ledger.stances.items():
            one = SetStanceEntry.of(entry)
            if one.until_ns <= now_ns:
                body = StanceEntry(event=ENDED, by=one.by, reason="its end has come").json()
                over.append(Entry(kinds.STANCE, self._session.now_ns, agent=agent, body=body))
        self._session.gateway.write(over)
        return bool(over)

    def obey(self, said: OperatorEntry, agents: Collection[str]) -> None:
        """Set or lift a manual risk state, as an operator commands.

        Raises
        ------
        OrderError
            For an unknown agent, an invalid or missing posture, or an end that is not in the future.
        """
        asked, now = said.asked(), self._session.now_ns
        agent = asked.agent or ""
        if agent and agent not in agents:
            raise OrderError(
                f"an agent of this desk: {', '.join(agents)}",
                repr(agent),
                "name one of them, or none",
            )
        by, reason, number = said.by, said.reason, said.id
        if asked.lift:
            if agent not in self._session.ledger.stances:
                raise OrderError(
                    "a manual risk state",
                    f"none of {agent or 'the desk'}",
                    "see the postures that are set",
                )
            body = StanceEntry(event=LIFTED, by=by, reason=reason, operator=number)
        else:
            span_ns = asked.span_ns
            if type(span_ns) is not int or not 0 < span_ns <= LONGEST_NS:
                raise OrderError(
                    f"an end that lies ahead, at most {LONGEST_NS // 86_400_000_000_000} days",
                    f"{span_ns!r} ns from now",
                    "say for how long",
                )
            body = SetStanceEntry(
                event=SET,
                by=by,
                reason=reason,
                operator=number,
                until_ns=now + span_ns,
                instead=bool(asked.instead),
                words=_words(asked.words),
            )
        self._session.gateway.write([Entry(kinds.STANCE, now, agent=agent, body=body.json())])


def _words(asked: object) -> dict[str, Any]:
    """Fields of a posture, refused where one is none."""
    if not isinstance(asked, Mapping) or not asked or not asked.keys() <= set(WORDS):
        raise OrderError(
            f"some of {', '.join(WORDS)}", f"{asked!r:.200}", "name the fields to tighten"
        )
    numbers = {name: value for name, value in asked.items() if name != "styles"}
    styles = asked.get("styles", int(ANY_STYLE))
    plain = all(
        isinstance(one, int | float) and not isinstance(one, bool) for one in numbers.values()
    )
    if not plain or type(styles) is not int or not 0 < styles <= int(ANY_STYLE):
        raise OrderError("numbers, and styles from 1 to 7", f"{asked!r:.200}", "correct it")
    replace(_AT, **numbers, styles=Style(styles))  # refuses what no one can act on
    return dict(asked)
