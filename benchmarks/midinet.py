"""Which way of conditioning makes MidiNet follow its chords: the points of the course's grid compared.

The course's claim: with the bar before as a vector (1-D) and the chord as a matrix (2-D), in all
layers of the generator, melodies follow their chords more than with other choices.

What it is to show, fixed before it was run:

- Models: experiment=midinet_stable_small, whose data are the sopranos of chorales with inferred chords
  (the offline stand-in for the authors' lead sheets), at the eight points {bar before 1-D, 2-D} x
  {chord 1-D, 2-D} x {both in the last layer only, both in all layers}; feature matching as there.
  Seeds 1, 2, 3. All have the same number of updates. Beside them two of the paper's models as they
  are, midinet_stable_small and midinet_creative_small, which the rule leaves aside.
- Music: for each held-out piece (the test split, in its own key) a melody over its own chords, as many
  bars, each made under the one that was made before it; before the first, silence. The strategy is
  the experiment's: of each step the most probable pitch. Codes come from the stream of the seed.
- Figure: share of notes in the chord of their bar, minus the share expected when the chords of each
  piece change places at random (partimento.metrics.chord_following). Intervals: pieces drawn anew
  with replacement, 2,000 times, the mean over the seeds each time, from 2.5 % to 97.5 %.
- Beside it: the shares themselves; the share of bars, and of pairs of bars, that are bars (pairs) of
  the training set in any key to the note; the share of different bars; and all of them for the
  held-out music itself, which the figure is not to exceed for a model to be like it.
- Rule. The point of the claim follows its chords more than another point when the interval of the
  difference (the same pieces drawn for both) is above 0 and the difference is positive in all three
  seeds; less, likewise below 0; else no difference is shown. The claim holds when it follows them
  more than each of the seven, is contradicted when it follows them less than one, and is not shown
  else. A point follows its chords at all when its own interval is above 0. It copies when its mean
  share of copied pairs of bars is above that of held-out music by more than 0.05.

The same command again goes on where it was. `--page` writes only the table of docs/midinet.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from measure import RESULTS, write
from midinet_rule import (
    CLAIM,
    COPYING,
    DRAWS,
    FIGURES,
    MODELS,
    POINTS,
    SEEDS,
    compared,
    interval,
    paged,
    table,
)

import partimento
from partimento.apps.composition import compose_request
from partimento.atomic import write_atomically
from partimento.building import build_dataset, build_representation, build_strategy
from partimento.chords import vector_triad
from partimento.config.schema import data_config
from partimento.data.module import MusicDataModule
from partimento.errors import UserError
from partimento.generation.bar_by_bar import continue_bars
from partimento.loading import Trained
from partimento.metrics.chord_following import (
    chord_tones,
    resampled_following,
    sums_by_piece,
    tone_counts,
)
from partimento.metrics.copies import copy_rate
from partimento.metrics.duplicates import unique_share
from partimento.representations.bars import STEPS, Bars
from partimento.seeds import generator

PAGE = Path(__file__).resolve().parents[1] / "docs" / "midinet.md"
RESULT = RESULTS / "midinet.json"
HOLD = 128  # the first symbol that is no pitch


class Song(NamedTuple):
    """A held-out melody: its bars `(bars, 16)`, the chord vectors `(bars, 13)`, what stands before."""

    bars: np.ndarray
    chords: np.ndarray
    before: np.ndarray


class Material(NamedTuple):
    """What models are judged against.

    Attributes:
        songs: Held-out melodies.
        bars: Bars of the training set in all keys, `(n, 16)`.
        pairs: Bars of the training set with the one before, `(n, 32)`.
    """

    songs: list[Song]
    bars: np.ndarray
    pairs: np.ndarray


def overrides(point: str, seed: int, outputs: str, updates: int | None) -> list[str]:
    """Return the overrides of one run."""
    if point in MODELS:
        chosen = [f"experiment=midinet_{point}_small"]
    else:
        previous, chord, at = point.split("-")
        entries = "model.generator.conditions"
        chosen = [
            "experiment=midinet_stable_small",
            f"{entries}.previous.form={previous}",
            f"{entries}.previous.at={at}",
            f"{entries}.chord.form={chord}",
            f"{entries}.chord.at={at}",
        ]
    return [
        *chosen,
        f"seed={seed}",
        "accelerator=cpu",
        "accelerator.threads=1",
        "logger=csv",
        "diagnostics=none",
        "trainer.progress_bar=false",
        f"paths.outputs={outputs}",
        *([] if updates is None else [f"trainer.max_updates={updates}"]),
    ]


def judge_of(resolved: Mapping[str, Any]) -> Judge:
    """Return a judge with the held-out songs and the training set of a config."""
    dataset = build_dataset(resolved)
    representation = build_representation(resolved, dataset)
    assert isinstance(representation, Bars)
    data = MusicDataModule(
        dataset, representation, data_config(resolved), cache=resolved["paths"]["cache"]
    )
    train = data.examples("train")
    bars = train.x.numpy().reshape(-1, STEPS)
    before = train.condition["previous"].numpy().reshape(-1, STEPS)
    songs = []
    for piece in data.pieces("test"):
        try:
            found = representation.windows(piece, stride=1)
        except UserError:
            continue  # left out of the test split too, where the log names it
        if len(found) > 1:
            condition = found.condition
            x = found.x.reshape(-1, STEPS)
            songs.append(Song(x, condition["chord"], condition["previous"][:1]))
    return Judge(representation, Material(songs, bars, np.concatenate([before, bars], axis=1)))


def melodies(trained: Trained, songs: Sequence[Song], seed: int) -> list[np.ndarray]:
    """Return a melody over the chords of each song, `(bars, 16)` each."""
    longest = max(len(song.chords) for song in songs)
    # Songs that end earlier go on with their last chord, unheard.
    rows = [np.pad(s.chords, [(0, longest - len(s.chords)), (0, 0)], mode="edge") for s in songs]
    made = continue_bars(
        trained.model,
        build_strategy(trained.config),
        bars=longest,
        previous=torch.from_numpy(np.concatenate([song.before for song in songs])),
        chords=torch.from_numpy(np.stack(rows)),
        generator=generator(seed, "sampling"),
    )
    x = made.numpy().reshape(len(songs), longest, STEPS)
    return [row[: len(song.chords)] for row, song in zip(x, songs, strict=True)]


class Judge(NamedTuple):
    """Gives the figures of melodies over the chords of held-out songs."""

    representation: Bars
    known: Material

    def __call__(self, made: Sequence[np.ndarray]) -> tuple[dict[str, float], np.ndarray]:
        """Return the figures of melodies, `(bars, 16)` each, and their sums by piece `(pieces, 3)`."""
        bars = np.concatenate(made).astype(np.int64)
        pitches = np.where(bars < HOLD, bars, -1)
        piece = np.repeat(np.arange(len(made)), [len(song) for song in made])
        sums = sums_by_piece(tone_counts(pitches), self._chords(), piece)
        inside, shuffled, notes = sums.sum(axis=0)
        pairs = np.concatenate([np.concatenate([m[:-1], m[1:]], axis=1) for m in made])
        figures = {
            "in_chord": inside / notes,
            "shuffled": shuffled / notes,
            "following": (inside - shuffled) / notes,
            "copied_bars": copy_rate(bars, self.known.bars),
            "copied_pairs": copy_rate(pairs, self.known.pairs),
            "unique": unique_share(torch.from_numpy(bars)),
        }
        return {name: round(float(value), 5) for name, value in figures.items()}, sums

    def _chords(self) -> np.ndarray:
        """Return the tones of the songs' chords, `(bars, 12)`."""
        rows = np.concatenate([song.chords for song in self.known.songs]).tolist()
        triads = [vector_triad(tuple(row), self.representation.minor_at) for row in rows]
        return chord_tones([triad for triad in triads if triad is not None])


def cell(point: str, seed: int, outputs: str, updates: int | None, judge: Judge) -> dict[str, Any]:
    """Train a point with a seed, if it is not trained, and return what it makes."""
    asked = overrides(point, seed, outputs, updates)
    folder = compose_request(asked, "train").folder.path
    path = folder / "study.json"
    if path.exists():
        return json.loads(path.read_text())
    record = partimento.train(asked)
    trained = partimento.load(folder)
    figures, sums = judge(melodies(trained, judge.known.songs, seed))
    found = {"figures": figures, "sums": sums.tolist(), "updates": record["counters"]["updates"]}
    write_atomically(path, json.dumps(found) + "\n")
    return found


def figures_of(cells: Mapping[str, Sequence[Mapping[str, Any]]], judge: Judge) -> dict[str, Any]:
    """Return the study's figures from its cells, point by point in the order of the seeds."""
    songs = judge.known.songs
    real, sums = judge([song.bars for song in songs])
    runs = {p: np.array([run["sums"] for run in rows]) for p, rows in cells.items()}
    points = {
        point: {name: [run["figures"][name] for run in rows] for name in FIGURES}
        for point, rows in cells.items()
    }
    pairs = {point: statistics.mean(row["copied_pairs"]) for point, row in points.items()}
    return {
        "updates": sorted({run["updates"] for rows in cells.values() for run in rows}),
        "songs": len(songs),
        "bars": sum(len(song.bars) for song in songs),
        "points": points,
        "real": {**real, "interval": list(interval(resampled_following(sums, DRAWS)))},
        "rule": compared(runs) if CLAIM in runs else None,
        "copies": {p: share > real["copied_pairs"] + COPYING for p, share in pairs.items()},
    }


def main() -> None:
    """Run what is left of the study; write the result file and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outputs", default="outputs/study-midinet")
    parser.add_argument("--points", nargs="+", default=[*POINTS, *MODELS])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--updates", type=int, help="fewer than the experiment's, to try it out")
    parser.add_argument("--page", action="store_true")
    arguments = parser.parse_args()
    whole = (arguments.points, arguments.seeds) == ([*POINTS, *MODELS], list(SEEDS))
    if not arguments.page:
        asked = (arguments.outputs, arguments.updates)
        first = overrides(arguments.points[0], arguments.seeds[0], *asked)
        judge = judge_of(compose_request(first, "train").resolved)
        cells = {p: [cell(p, s, *asked, judge) for s in arguments.seeds] for p in arguments.points}
        found = figures_of(cells, judge)
        if not whole or arguments.updates is not None:
            print(table(found))
            return
        write("midinet", found)
    found = json.loads(RESULT.read_text())["figures"]
    write_atomically(PAGE, paged(PAGE.read_text(), found))


if __name__ == "__main__":
    main()
