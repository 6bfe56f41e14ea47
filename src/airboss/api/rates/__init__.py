"""How fast each caller may come: slowapi on one node, Redis for several."""
