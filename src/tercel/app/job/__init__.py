"""The main job: build a market, train, judge, report. The one place that wires the rooms together."""
