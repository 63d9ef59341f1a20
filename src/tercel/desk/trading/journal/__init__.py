"""The journal: an append-only record of input, decisions, commands and reports."""
