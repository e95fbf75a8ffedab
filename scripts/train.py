"""Run `partimento train` from a clone."""

from partimento.apps.train import main

if __name__ == "__main__":
    main()
