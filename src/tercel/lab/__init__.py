"""Learning and judging: trainings behind one port, and paired evaluations out of sample."""
