"""Fixtures of FIX tests."""

from tests.fix.conftest import connect, plain, port, profile, serve

__all__ = ["connect", "plain", "port", "profile", "serve"]
