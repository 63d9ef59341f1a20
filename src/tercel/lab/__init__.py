"""Learn and judge: trainings behind one port, and paired evaluations out of sample."""
