"""Names of the laws of impact on recorded days; loads nothing, so that a command refuses another name at once."""

from typing import Final

TAPE_LAWS: Final = ("none", "square_root", "propagator")
"""See `fitted.tape_law`."""
