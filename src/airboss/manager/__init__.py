"""The manager: takes jobs in, runs them, ends them."""
