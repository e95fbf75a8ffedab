"""Run `partimento inspect` from a clone."""

import sys

sys.path.pop(0)  # this folder, whose inspect.py would hide Python's own

from partimento.apps.inspection import main

if __name__ == "__main__":
    main()
