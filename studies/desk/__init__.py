"""A desk run again and again on the same seeds: without each arrow of its loop, and with each agent alone."""
