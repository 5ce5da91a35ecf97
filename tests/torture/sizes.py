"""The command line of a script that has a quick and a full form, and how it ends."""

import argparse
import os

LATE = 3
"""Exit status of a script in which nothing fell short but what depends on time, and so on the machine's other work."""


def parser(doc, **sizes):
    """A parser of ``--quick`` and ``--full``, one of which must be given; ``size`` is what ``sizes`` has for it."""
    found = argparse.ArgumentParser(description=doc.splitlines()[0])
    group = found.add_mutually_exclusive_group(required=True)
    for name, size in sizes.items():
        group.add_argument(f"--{name}", dest="size", action="store_const", const=size)
    return found


def load():
    """How busy the machine is, in words."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
