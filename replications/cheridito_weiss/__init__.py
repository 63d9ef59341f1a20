"""Cheridito & Weiss (2025): their six tasks, tuned rules, learned policies."""
