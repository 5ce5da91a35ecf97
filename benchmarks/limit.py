"""The limit of the machine's arithmetic: products of 1024 x 1024 by NumPy's BLAS, with all threads of a contender.

A process that takes its turn in each round, as the contenders do: what slows the machine for a while slows both.
"""

from time import perf_counter

import numpy as np
from worker import Channel

SIZE, SECONDS = 1024, 0.1


def gflops(dtype):
    """The best of the products that fit in a moment, the first of which is none of them."""
    a = np.random.default_rng(0).random((SIZE, SIZE)).astype(dtype)
    out = a @ a
    shortest, end = float("inf"), perf_counter() + SECONDS
    while perf_counter() < end:
        start = perf_counter()
        np.matmul(a, a, out=out)
        shortest = min(shortest, perf_counter() - start)
    return 2e-9 * SIZE**3 / shortest


def main():
    channel = Channel()
    channel.introduce()
    while True:
        dtypes = channel.command()["dtypes"]
        channel.answer(gflops={dtype: gflops(dtype) for dtype in dtypes})


if __name__ == "__main__":
    main()
