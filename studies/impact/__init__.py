"""What metaorders do to a market's price: the impact card, its figures, round trips on the law."""
