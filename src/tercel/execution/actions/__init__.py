"""What a learner's numbers mean; `execution.action_sets` has the sets of actions by name."""
