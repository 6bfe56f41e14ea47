"""What was refused because its claim was not the newest any more."""


class LateWrites:
    """Counts writes of runs that had lost their job: each was refused, none changed anything."""

    def __init__(self) -> None:
        self.total = 0

    def count(self) -> None:
        self.total += 1
