"""What is closed at the end of a `with` block."""

from typing import Self


class Closing:
    """Mixin: a `with` block gives the object, and closes it as it ends."""

    def close(self) -> None:
        """Let go of what is held; a second call does nothing."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
