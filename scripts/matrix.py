"""Run `partimento matrix` from a clone."""

import sys

sys.path.pop(0)  # this folder, whose inspect.py would hide Python's own

from partimento.apps.matrix import main

if __name__ == "__main__":
    main()
