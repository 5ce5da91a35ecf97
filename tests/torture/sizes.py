"""The command line of a script that has a quick and a full form."""

import argparse


def parser(doc, **sizes):
    """A parser of ``--quick`` and ``--full``, one of which must be given; ``size`` is what ``sizes`` has for it."""
    found = argparse.ArgumentParser(description=doc.splitlines()[0])
    group = found.add_mutually_exclusive_group(required=True)
    for name, size in sizes.items():
        group.add_argument(f"--{name}", dest="size", action="store_const", const=size)
    return found
