"""Published studies with known answers, done again: the market, the closed form, and a learner beside it."""
