"""The console command `partimento COMMAND`: dispatch to the apps."""

from __future__ import annotations

import importlib
import sys

COMMANDS = {
    "train": "train a model, or with -m a sweep of models",
    "generate": "make music with a trained model",
    "evaluate": "print a trained model's table of metrics beside baselines",
    "inspect": "show what a dataset holds in a representation",
    "matrix": "show what goes together: datasets and models, or objectives and techniques",
}
# Not named after the command: Python's own `inspect` must be found from that folder.
MODULES = {"inspect": "inspection"}


def main() -> None:
    """Run the command named by the first argument."""
    from partimento.errors import did_you_mean

    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("--help", "-h"):
        width = max(map(len, COMMANDS))
        lines = [f"  {key:{width}}  {text}" for key, text in COMMANDS.items()]
        print("usage: partimento COMMAND [overrides]\n\n" + "\n".join(lines))
        print("\npartimento COMMAND --help lists a command's config groups.")
        raise SystemExit(0)
    if name not in COMMANDS:
        print(f"partimento: no command '{name}'.{did_you_mean(name, COMMANDS)}", file=sys.stderr)
        raise SystemExit(1)
    app = importlib.import_module(f"partimento.apps.{MODULES.get(name, name)}")
    # The app's own file stands for the command, since DDP starts its further processes from argv.
    sys.argv = [str(app.__file__), *sys.argv[2:]]
    app.main()
