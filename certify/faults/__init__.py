"""The fault matrix of `tercel trade faults`: an exchange, a gate and a desk as processes, a link between them that
fails, and a judge that compares what each of them says at the end.
"""
