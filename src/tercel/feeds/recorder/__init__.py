"""Recorders: live feeds into captures that lose nothing they accepted, whatever kills them."""

from tercel.feeds.recorder.live import CaptureWriter, Recorder, RecorderClock, RecordingSummary

__all__ = ["CaptureWriter", "Recorder", "RecorderClock", "RecordingSummary"]
