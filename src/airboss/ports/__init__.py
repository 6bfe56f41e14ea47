"""The protocols between the layers: what the manager asks of a store, an engine, a loop and a clock."""
