"""What the garbage collector looks at."""

import gc

#: Objects that are made before the young ones are looked through. At Python's own 700 that was 15 µs of each
#: spawn, since most of what a request makes was still in use.
_YOUNG_OBJECTS = 10_000


def settle_heap() -> None:
    """Take what is loaded by now out of the collector's sight: modules and routes stay until the end.

    Looking through it all took 40 ms each time, eleven times in 8,000 spawns, and held up every request and
    every stream meanwhile; with the agents SDK loaded it takes 110 ms.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
