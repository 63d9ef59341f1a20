"""The parts of a page as JSON text, written once for everybody who follows it."""

import json
from collections.abc import Mapping
from typing import Any

from tercel.core.plain import plain


class SharedText:
    """Parts of a page, each as text with the turn in which it changed last.

    >>> shared = SharedText()
    >>> shared.update({"seq": 1, "desk": "d"})
    >>> shared.since(0)
    (1, '{"seq": 1, "desk": "d"}')
    >>> shared.update({"seq": 2, "desk": "d"})
    >>> shared.since(1), shared.since(2)
    ((2, '{"seq": 2}'), (2, '{}'))
    """

    def __init__(self) -> None:
        self._now: tuple[int, dict[str, tuple[int, str]], dict[int, str]] = (0, {}, {})
        """The turn, the parts, and the texts that were asked for: replaced as one, so that readers need no lock."""

    @property
    def turn(self) -> int:
        """How often a part has changed."""
        return self._now[0]

    def update(self, page: Mapping[str, Any]) -> None:
        """Take the page as it is now; a turn passes where a part has changed. One thread at a time may."""
        turn, parts, _ = self._now
        now = {key: text_of(value) for key, value in page.items()}
        new = {key: text for key, text in now.items() if parts.get(key, (0, ""))[1] != text}
        if new:
            self._now = turn + 1, parts | {key: (turn + 1, text) for key, text in new.items()}, {}

    def since(self, after: int) -> tuple[int, str]:
        """The turn now, and the parts that changed after another as the text of one object."""
        now, all_parts, texts = self._now
        if after not in texts:
            parts = (
                f"{json.dumps(key)}: {text}"
                for key, (turn, text) in all_parts.items()
                if turn > after
            )
            texts[after] = "{" + ", ".join(parts) + "}"
        return now, texts[after]


def text_of(value: Any) -> str:
    """A value as JSON; nearly all of them are plain already, and are not copied.

    >>> text_of({"mean": float("nan")})
    '{"mean": null}'
    """
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps(plain(value))
