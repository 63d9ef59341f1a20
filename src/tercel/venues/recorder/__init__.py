"""Recorders: live feeds into captures that lose nothing they accepted, whatever kills them."""

from tercel.venues.recorder.live import CaptureWriter, Recorded, Recorder, RecorderClock

__all__ = ["CaptureWriter", "Recorded", "Recorder", "RecorderClock"]
