"""Measurements on recorded tape that calibrate no model: what shown size does, and impact of proxied metaorders."""
