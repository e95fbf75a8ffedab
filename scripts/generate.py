"""Run `partimento generate` from a clone."""

from partimento.apps.generate import main

if __name__ == "__main__":
    main()
