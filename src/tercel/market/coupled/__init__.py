"""Twins that find together again after own orders parted them: draws keyed by what they are for."""
