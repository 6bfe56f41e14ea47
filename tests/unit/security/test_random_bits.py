"""Random bits from a pool."""

import itertools

from airboss.security.random_bits import RandomBits


def test_each_bit_of_the_system_is_given_once_and_in_order() -> None:
    drawn: list[bytes] = []

    def read(size: int) -> bytes:
        start = sum(map(len, drawn))
        drawn.append(bytes((start + n) % 251 for n in range(size)))
        return drawn[-1]

    bits = RandomBits(read)
    given = b"".join(bits(64).to_bytes(8) for _ in range(1000))
    assert b"".join(drawn).startswith(given)
    assert len(drawn) == 2


def test_it_gives_as_many_bits_as_are_asked_for() -> None:
    ones = RandomBits(lambda size: b"\xff" * size)
    assert [ones(count) for count in (1, 8, 62, 64, 5000 * 8)] == [
        1,
        0xFF,
        (1 << 62) - 1,
        (1 << 64) - 1,
        (1 << 40_000) - 1,
    ]


def test_what_the_system_gives_does_not_repeat() -> None:
    bits = RandomBits()
    assert len({bits(62) for _ in range(10_000)}) == 10_000
    assert all(value.bit_length() <= 8 for value in itertools.islice(iter(lambda: bits(8), None), 100))
