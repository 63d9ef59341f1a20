"""What a market answers to styles of execution, against the law of impact that it carries."""
