"""The offline provider: a deterministic planner that stands in for a language model."""
