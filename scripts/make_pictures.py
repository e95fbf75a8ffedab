"""Make README's pictures: a chorale harmonised by the default model, and Celtic tunes."""

from __future__ import annotations

import sys

sys.path.pop(0)  # this folder, whose inspect.py would hide Python's own

import json
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import partimento
from partimento.reports.pianoroll import draw_pianoroll

ROOT = Path(__file__).resolve().parents[1]
CHORALE = "bwv253"
INSPECT = ROOT / "scripts" / "inspect.py"


def main() -> int:
    """Train the default (or take the finished run), harmonise, draw."""
    from partimento.apps.composition import compose_request

    folder = compose_request(["accelerator=cpu"], "train").folder.path
    partimento.train(["accelerator=cpu"])
    manifest = json.loads((folder / "split_manifest.json").read_text())
    if CHORALE not in manifest["splits"]["test"]:
        print(f"{CHORALE} is not in the test split", file=sys.stderr)
        return 1
    piece = partimento.load(folder).harmonize(f"bwv:{CHORALE.removeprefix('bwv')}")
    (ROOT / "docs").mkdir(exist_ok=True)
    draw_pianoroll(piece, ROOT / "docs" / f"{CHORALE}.png")
    with TemporaryDirectory() as place:
        chosen = ["dataset=celtic", "representation=melody", "representation.metre=6/8"]
        subprocess.run([sys.executable, INSPECT, *chosen, f"output={place}"], check=True)
        shutil.copy(Path(place) / "examples.png", ROOT / "docs" / "celtic.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
