"""``python -m rustbp``: versions, kernel, and whether the installation works, in a few seconds."""

import sys

from rustbp._self_test import run
from rustbp._versions import show_versions

if __name__ == "__main__":
    show_versions()
    sys.exit(0 if run() else 1)
