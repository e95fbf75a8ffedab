"""Make README's picture: a chorale of the test split harmonised by the default model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import partimento
from partimento.reports.pianoroll import draw_pianoroll

ROOT = Path(__file__).resolve().parents[1]
CHORALE = "bwv253"


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
    return 0


if __name__ == "__main__":
    sys.exit(main())
