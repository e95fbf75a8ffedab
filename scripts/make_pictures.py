"""Make the pictures of README and docs: all of them, or those that are named."""

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
DOCS = ROOT / "docs"
INSPECT, GENERATE = (ROOT / "scripts" / f"{name}.py" for name in ("inspect", "generate"))
# A model of sopranos that is trained in a minute.
SOPRANOS = (
    "model=imle",
    "model.pool=4",
    "model.batches=1",
    "representation=melody",
    "representation.bars=2",
    "representation.low=57",
    "representation.high=81",
    "data.transpose=false",
    "trainer.max_updates=2000",
    "trainer.max_epochs=1000",
    "trainer.progress_bar=false",
    "trainer.patience=null",
    "accelerator=cpu",
    "accelerator.threads=1",
    "logger=csv",
    "diagnostics=none",
)
MIDINET = (
    "experiment=midinet_stable_small",
    "accelerator=cpu",
    "accelerator.threads=1",
    "logger=csv",
    "trainer.progress_bar=false",
)


def chorale() -> None:
    """Train the default (or take the finished run), harmonise a chorale of the test split, draw."""
    from partimento.apps.composition import compose_request

    folder = compose_request(["accelerator=cpu"], "train").folder.path
    partimento.train(["accelerator=cpu"])
    manifest = json.loads((folder / "split_manifest.json").read_text())
    if CHORALE not in manifest["splits"]["test"]:
        raise SystemExit(f"{CHORALE} is not in the test split")
    piece = partimento.load(folder).harmonize(f"bwv:{CHORALE.removeprefix('bwv')}")
    draw_pianoroll(piece, DOCS / f"{CHORALE}.png")


def celtic() -> None:
    """Draw Celtic tunes as `inspect` does."""
    with TemporaryDirectory() as place:
        chosen = ["dataset=celtic", "representation=melody", "representation.metre=6/8"]
        subprocess.run([sys.executable, INSPECT, *chosen, f"output={place}"], check=True)
        shutil.copy(Path(place) / "examples.png", DOCS / "celtic.png")


def latent() -> None:
    """Train for a minute (or take the finished run), and draw the way between two codes."""
    from partimento.apps.composition import compose_request

    folder = compose_request(list(SOPRANOS), "train").folder.path
    partimento.train(list(SOPRANOS))
    with TemporaryDirectory() as place:
        asked = [f"run={folder}", "interpolate.between=[1,2]", f"output={place}"]
        subprocess.run([sys.executable, GENERATE, *asked], check=True)
        shutil.copy(Path(place) / "sheet.png", DOCS / "latent.png")


def midinet() -> None:
    """Train MidiNet in minutes (or take the finished run), and make a melody over four chords."""
    from partimento.apps.composition import compose_request

    folder = compose_request(list(MIDINET), "train").folder.path
    partimento.train(list(MIDINET))
    with TemporaryDirectory() as place:
        asked = [f"run={folder}", "chords=C G Am F", "bars=16", f"output={place}/midinet"]
        subprocess.run([sys.executable, GENERATE, *asked], check=True)
        for suffix in ("png", "mid"):
            shutil.copy(Path(place) / f"midinet.{suffix}", DOCS / f"midinet.{suffix}")


PICTURES = {"chorale": chorale, "celtic": celtic, "latent": latent, "midinet": midinet}


def main() -> int:
    """Make the pictures that the command line names, by default all."""
    DOCS.mkdir(exist_ok=True)
    for name in sys.argv[1:] or PICTURES:
        PICTURES[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
