"""Model files under torture: random models there and back, damaged files, killed writers, full disks.

    python tests/torture/format.py

`tests/test_format.py` and `tests/test_format_files.py` run the same functions with smaller numbers.
"""

import argparse
import os
import time

from format_damage import open_damaged
from format_models import round_trips
from format_writers import fill_tmpfs, kill_writers


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.perf_counter()
    went_on = round_trips(options.models, options.seed)
    print(
        f"{options.models} random models: all bit-identical; {went_on} went on training, bit for bit"
    )
    print(open_damaged(options.files, options.seed), flush=True)
    middle = kill_writers(options.kills, options.seed)
    print(
        f"{options.kills} writers killed, {middle} of them in the middle of a file: the file was always whole"
    )
    found = fill_tmpfs()
    result = (
        "not tried, for want of the right to mount one" if found is None else os.strerror(found)
    )
    print(f"full file system: {result}")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
