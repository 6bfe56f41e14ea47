"""The composition root: the one place where adapters are chosen and started, in order."""
