"""The desk: signals, posture, sizing, agents, cost feedback, in one running loop."""
