"""Parent orders: requests and states, their executors, manual trading."""
