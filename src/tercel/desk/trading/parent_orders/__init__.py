"""Parent orders: requests and states, their executors, what a person does to them by hand."""
