"""What is freed in a worker is kept for what comes next, and not given back to the system with every batch.

glibc returns a large block at once, and the system clears each page of the next one: a sixth of the time of a small
convolutional net. The most that a heap keeps so is KEPT; blocks above LARGE come and go as ever.
"""

from __future__ import annotations

import ctypes

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # of mallopt, from malloc.h
KEPT, AT_ONCE, LARGE = 256 << 20, 16 << 20, 32 << 20  # bytes; LARGE is the most that glibc takes


def keep() -> None:
    """Keep it; nothing where the C library is another one."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for name, number in ((MMAP_THRESHOLD, LARGE), (TRIM_THRESHOLD, KEPT), (TOP_PAD, AT_ONCE)):
        mallopt(name, number)
