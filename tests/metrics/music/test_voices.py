"""Part-writing: parallels counted by hand, and Bach's own rates on three grids."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from made_pieces import piece_of

from partimento.datasets.chorales import Chorales
from partimento.metrics.music.notes import SILENT, frames
from partimento.metrics.music.voices import (
    crossings,
    parallels,
    spacings,
    voice_statistics,
)


def grid(*voices: list[int]) -> np.ndarray:
    return np.array(voices).T


@pytest.mark.parametrize(
    ("upper", "lower", "expected"),
    [
        ([67, 69], [60, 62], (1, 0, 1)),  # fifth to fifth
        ([79, 81], [60, 62], (1, 0, 1)),  # twelfth to twelfth
        ([67, 81], [60, 62], (1, 0, 1)),  # fifth to twelfth, both rising
        ([72, 74], [60, 62], (0, 1, 1)),
        ([60, 62], [60, 62], (0, 1, 1)),  # unisons
        ([67, 69], [60, 50], (0, 0, 1)),  # contrary motion
        ([67, 67], [60, 60], (0, 0, 0)),  # nobody moves
        ([67, 67], [60, 48], (0, 0, 0)),  # one does
        ([67, 68], [60, 62], (0, 0, 1)),  # to a diminished fifth
        ([67, 70], [60, 65], (0, 0, 1)),  # a fourth is no fifth
        ([65, 67], [60, 62], (0, 0, 1)),  # fourth to fourth
        ([67, SILENT], [60, SILENT], (0, 0, 0)),
        ([SILENT, 67], [60, 62], (0, 0, 0)),
        ([60, 62], [67, 69], (1, 0, 1)),  # crossed voices sound as fifths too
    ],
)
def test_parallels_counted_by_hand(upper, lower, expected) -> None:
    assert parallels(grid(upper, lower)) == expected


def test_every_pair_of_voices_counts() -> None:
    # Three voices in octaves and a fifth: one pair of octaves, two of fifths.
    assert parallels(grid([79, 81], [72, 74], [60, 62])) == (2, 1, 3)
    assert parallels(grid([79], [72])) == (0, 0, 0)


def test_crossings_and_gaps() -> None:
    voices = grid([70, 70, SILENT], [60, 72, 60], [62, 50, 50], [30, 30, 51])
    assert crossings(voices) == (1 + 1 + 1, 8)
    assert spacings(voices) == (1, 5)  # 72 to 50; to the bass any gap is right
    assert spacings(voices, widest=9) == (3, 5)


def test_one_part_has_no_voices() -> None:
    assert voice_statistics(piece_of([(0, 4, 60)])) == {}
    found = voice_statistics(piece_of([(0, 4, 60, 0)], parts=("a", "b")))
    assert all(share == (0, 0) for share in found.values())


def rates(grids: list[np.ndarray]) -> np.ndarray:
    """Return fifths and octaves in thousands of pairs that both move."""
    fifths, octaves, pairs = np.sum([parallels(voices) for voices in grids], axis=0)
    return 1000 * np.array([fifths, octaves]) / pairs


@pytest.fixture(scope="module")
def bach(cache: Path):
    return Chorales().prepare(str(cache)).pieces


def test_bachs_own_parallels_depend_on_the_grid(bach) -> None:
    """On quarters passing notes are hidden, so that innocent motion looks parallel.

    Of all 365 chorales: 3.8 fifths and 1.7 octaves on quarters, 0.8 and 0.25 on eighths, 0.67 and
    0.30 on sixteenths.
    """
    quarter, eighth, sixteenth = (rates([frames(piece, n) for piece in bach]) for n in (1, 2, 4))
    assert quarter == pytest.approx([3.82, 1.67], abs=0.1)
    assert eighth == pytest.approx([0.82, 0.25], abs=0.1)
    assert sixteenth == pytest.approx([0.67, 0.30], abs=0.1)
    assert (quarter > 4 * sixteenth).all()


def test_voices_that_do_not_listen_are_parallel_by_chance(bach) -> None:
    """Each voice from another chorale, on quarters: several times as many as Bach's."""
    grids = [frames(piece, 1) for piece in bach]
    rng = np.random.default_rng(0)
    mixed = []
    for _ in range(300):
        chosen = [grids[i] for i in rng.choice(len(grids), 4, replace=False)]
        steps = min(map(len, chosen))
        mixed.append(np.stack([g[:steps, v] for v, g in enumerate(chosen)], axis=1))
    ours = rates(grids)
    assert (rates(mixed) > 2 * ours).all()
    assert 8 < rates(mixed)[0] < 16


def test_bach_crosses_voices_seldom(bach) -> None:
    found = [voice_statistics(piece) for piece in bach]

    def rate(name: str) -> float:
        shares = [row[name] for row in found]
        return sum(s.counted for s in shares) / sum(s.among for s in shares)

    assert rate("parallel_fifths") == pytest.approx(0.67, abs=0.1)
    assert 3 * rate("voice_crossings") == pytest.approx(0.02, abs=0.003)  # crossed pairs in a step
    assert rate("wide_spacings") == pytest.approx(0.006, abs=0.002)


def test_another_edition_of_the_chorales_says_nearly_the_same() -> None:
    """The published sixteenth-note grids: as in our own reading, up to other pieces and errors."""
    folder = os.environ.get("PARTIMENTO_TEST_DATA")
    path = Path(folder or ".") / "Jsb16thSeparated.json"
    if not folder or not path.is_file():
        pytest.skip("PARTIMENTO_TEST_DATA names no folder with Jsb16thSeparated.json")
    splits = json.loads(path.read_text()).values()
    grids = [np.array(piece, dtype=int) for pieces in splits for piece in pieces]
    expected = {4: (3.7, 2.3), 2: (0.87, 0.55), 1: (0.67, 0.61)}
    for step, figures in expected.items():
        assert rates([voices[::step] for voices in grids]) == pytest.approx(figures, rel=0.2)
