"""The week of `tercel certify week`: venue, desk, console and people as processes, faults at times that a seed draws,
and a judge that reads the venue's record beside the desk's journals.
"""
