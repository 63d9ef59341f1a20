"""Kits that hold a plug-in against its port: inherit the class, say how to make yours, run pytest."""
