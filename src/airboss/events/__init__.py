"""The event bus: taps that lose nothing, subscriptions that slow nobody."""
