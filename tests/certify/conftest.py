"""Fixtures of FIX tests."""

from tests.fix.conftest import port, profile

__all__ = ["port", "profile"]
