"""What pytest is not to collect: programs of tests."""

collect_ignore = ["live_node.py"]
