"""The film: its pitch axis, and an animation that other programs play frame by frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from partimento.datasets.chorales import PARTS, RANGES
from partimento.reports.film import PIANO, span_of, write_gif
from partimento.representations.melody import Melody
from partimento.representations.multivoice import MultiVoice
from partimento.representations.note_tuples import NoteTuples
from partimento.representations.pianoroll import PianoRoll

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]


def frames(folder: Path) -> list[Path]:
    paths = []
    for number, colour in enumerate(COLOURS):
        picture = np.full((20, 30, 3), 255, dtype=np.uint8)
        picture[5:15, 5:15] = colour
        paths.append(folder / f"epoch-{number:04d}.png")
        Image.fromarray(picture).save(paths[-1])
    return paths


def test_every_frame_is_played_in_its_turn(tmp_path):
    path = write_gif(frames(tmp_path), tmp_path / "film.gif", seconds=0.25, pause=3)
    with Image.open(path) as film:
        assert film.n_frames == 3
        assert film.info["loop"] == 0
        shown = []
        for number, colour in enumerate(COLOURS):
            film.seek(number)
            shown.append(film.info["duration"])
            picture = np.asarray(film.convert("RGB")).astype(int)
            assert picture.shape == (20, 30, 3)
            assert np.abs(picture[10, 10] - colour).max() < 12
            assert picture[0, 0].min() > 243
    assert shown == [250, 250, 750]


def test_the_same_frames_make_the_same_film(tmp_path):
    one = write_gif(frames(tmp_path), tmp_path / "one.gif").read_bytes()
    assert one == write_gif(frames(tmp_path), tmp_path / "deep" / "two.gif").read_bytes()


def test_a_film_of_one_frame(tmp_path):
    with Image.open(write_gif(frames(tmp_path)[:1], tmp_path / "film.gif")) as film:
        assert getattr(film, "n_frames", 1) == 1


@pytest.mark.parametrize(
    ("representation", "expected"),
    [
        (MultiVoice(PARTS, RANGES), (min(r[0] for r in RANGES), max(r[1] for r in RANGES))),
        (Melody(low=50, high=90), (50, 90)),
        (PianoRoll(low=36, high=84), (36, 84)),
        (NoteTuples(), PIANO),
    ],
)
def test_the_pitch_axis_is_that_of_the_alphabet(representation, expected):
    assert span_of(representation) == expected
