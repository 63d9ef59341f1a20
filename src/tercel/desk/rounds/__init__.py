"""Trading rounds of a desk: signals, posture, sizing, agents and cost feedback in one loop."""
