"""Run `partimento evaluate` from a clone."""

from partimento.apps.evaluate import main

if __name__ == "__main__":
    main()
