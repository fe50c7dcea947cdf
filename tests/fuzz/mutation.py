"""Bytes that are almost right: what was written for a reader, changed a little, the same for the same seed."""

from collections.abc import Iterator, Sequence
from random import Random

LONGEST = 1 << 14
"""Bytes of a case: longer ones find nothing that these do not."""

MOST_CHANGES = 8

TOKENS = (
    *(b"[", b"]", b"{", b"}", b'"', b",", b":", b"\\", b"\\u0000", b"\\ud800", b"\\udfff", b"null", b"true", b"NaN"),
    *(b"-Infinity", b"1e999", b"1e-999", b"-0", b"9" * 400, b"[" * 100, b'{"a":' * 100, b"0.1", b"\xed\xa0\x80"),
    *(b"\r\n", b"\n", b"\r\n\r\n", b"--", b"--x1", b"--x1--", b"\r\n--x1\r\n", b"\r\n--x1--\r\n", b'name="file"'),
    *(b"filename*=", b"Content-Disposition: form-data; ", b"; ", b"=", b"%00", b"%", b"data:audio/wav;base64,"),
    *(b"\x00", b"\xff", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x00\x00\x00\x80", b"RIFF", b"WAVE", b"data"),
    *(b"fmt ", b"LIST", "ü".encode(), "ü".encode("latin-1"), "語".encode(), "\u2028".encode(), b"\xf0\x9f\x98\x80"),
)
"""What readers look for, and what they stumble over."""


def mutations(seeds: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """Yield cases without end: first the seeds themselves, then changed ones, now and then two of them in one."""
    random = Random(seed)
    yield from seeds
    while True:
        case = bytearray(random.choice(seeds))
        for _ in range(random.randint(1, MOST_CHANGES)):
            _change(case, random, seeds)
        yield bytes(case[:LONGEST])


def _change(case: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    at = random.randint(0, len(case))
    end = min(len(case), at + random.choice((1, 2, 4, 16, 256)))
    match random.randrange(7):
        case 0:
            case[at:end] = random.randbytes(random.choice((0, 1, 2, 4, 16)))
        case 1:
            case[at:at] = random.choice(TOKENS)
        case 2:
            case[at:end] = random.choice(TOKENS)
        case 3:
            case[at:at] = case[at:end] * random.choice((1, 2, 30))
        case 4:
            del case[at:]
        case 5:
            other = random.choice(seeds)
            case[at:] = other[random.randint(0, len(other)) :]
        case _:
            if at < len(case):
                case[at] ^= 1 << random.randrange(8)
