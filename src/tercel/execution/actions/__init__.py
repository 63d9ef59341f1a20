"""What a learner's numbers mean, a file a set of actions; `execution.action_sets` has them by name."""
