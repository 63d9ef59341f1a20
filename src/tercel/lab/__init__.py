"""Training of execution policies behind one learner protocol, and paired evaluations out of sample."""
