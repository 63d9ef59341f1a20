"""Measurements on recorded tape that calibrate no model: how resting orders fill, and what comes after."""
