import os

if os.environ.get("TERCEL_FAKE"):
    import fake_executor

    fake_executor.install()
collect_ignore = ["live_node.py"]
