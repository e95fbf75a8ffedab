"""Feature spaces: by hand on small music, on every kind of example, and able to see modes missing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from partimento.data.collate import collate
from partimento.datasets.chorale_modes import ChoraleModes
from partimento.datasets.chorales import PARTS, RANGES, read_bach
from partimento.errors import UserError
from partimento.metrics.manifold import manifold
from partimento.music import Piece
from partimento.representations.frames import Frames
from partimento.representations.melody import Melody
from partimento.representations.multivoice import MultiVoice
from partimento.representations.note_tuples import NoteTuples
from partimento.representations.pianoroll import PianoRoll
from partimento.representations.points import Points
from partimento.spaces.fixed import Onsets, PitchClasses, RandomConvolution, Raw

MELODY = Melody(bars=1)


def melody(onset, duration, pitch) -> torch.Tensor:
    piece = Piece("x", 4, onset, duration, pitch, [0] * len(onset), end=16)
    return torch.as_tensor(MELODY.encode(piece))[None]


def test_pitch_classes_by_hand():
    """A C of one quarter, a D of three, over 4/4: a quarter and three quarters of the time."""
    x = melody([0, 4], [4, 12], [60, 74])
    row = PitchClasses(MELODY)(x)[0]
    assert row[[0, 2]].tolist() == pytest.approx([0.25, 0.75])
    assert float(row.sum()) == pytest.approx(1.0)
    halves = PitchClasses(MELODY, parts=2)(x)[0].reshape(2, 12)
    assert halves[0, [0, 2]].tolist() == pytest.approx([0.5, 0.5])
    assert halves[1, 2] == pytest.approx(1.0)


def test_octaves_are_one_pitch_class():
    """Reshaping a pitch axis to (12, octaves) adds up seven neighbouring semitones instead."""
    low, high = (melody([0], [16], [pitch]) for pitch in (60, 72))
    assert torch.equal(PitchClasses(MELODY)(low), PitchClasses(MELODY)(high))


GRIDS = {
    "multivoice": MultiVoice(PARTS, RANGES, bars=2),
    "without rests": MultiVoice(PARTS, RANGES, bars=2, rest=False),
    "melody": Melody(bars=3, metre="any"),
    "melody of tunes": Melody(bars=None),
    "rolls": PianoRoll(bars=2),
    "rolls without onsets": PianoRoll(low=30, high=90, bars=2, onsets=False),
    "frames": Frames(),
}


@pytest.fixture(scope="module")
def bach() -> list[Piece]:
    return [read_bach(number) for number in ("253", "267", "269")]


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("parts", [1, 4, 7])
def test_what_a_grid_says_is_what_its_notes_say(name, parts, bach):
    """Windows of real chorales, and of the same with symbols cast about, as a bad model's are."""
    representation = GRIDS[name]
    batch = collate([representation.windows(piece, stride=1) for piece in bach])
    cast = np.random.default_rng(0).permuted(batch.x.numpy(), axis=0)
    space = PitchClasses(representation, parts=parts)
    for x in (batch.x, torch.from_numpy(cast)):
        quick = space(x, batch.lengths)
        slow = torch.from_numpy(space._of_notes(x, batch.lengths))
        slow = slow / slow.sum(dim=2, keepdim=True).clamp(min=1e-9)
        assert float(slow.sum()) > 0
        torch.testing.assert_close(quick, slow.flatten(1), atol=1e-5, rtol=0)


def test_what_has_no_grid_is_decoded(bach):
    representation = NoteTuples(steps=40)
    x = torch.as_tensor(representation.windows(bach[0], stride=1).x)
    assert representation.chroma(x.numpy()) is None
    row = PitchClasses(representation)(x[:1])
    assert float(row.sum()) == pytest.approx(1.0)


def test_onsets_by_hand():
    x = melody([0, 4, 6], [4, 2, 10], [60, 62, 64])
    assert Onsets(MELODY, parts=4)(x)[0].tolist() == pytest.approx([1 / 3, 2 / 3, 0, 0])


def test_silence_has_no_shares():
    silent = melody([], [], [])
    assert float(PitchClasses(MELODY)(silent).abs().sum()) == 0
    assert float(Onsets(MELODY)(silent).abs().sum()) == 0


def test_points_and_varying_lengths():
    points = torch.randn(5, 1, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Raw(Points())(points), points.flatten(1))
    assert torch.equal(RandomConvolution(Points())(points), points.flatten(1))
    with pytest.raises(UserError, match="PitchClasses is about notes, but samples are points"):
        PitchClasses(Points())
    with pytest.raises(UserError, match="Raw compares examples of one length"):
        Raw(Frames())
    frames = torch.zeros(2, 8, 88, dtype=torch.uint8)
    frames[:, :4, 39] = 1
    assert PitchClasses(Frames())(frames, torch.tensor([8, 4])).shape == (2, 12)


def test_half_of_the_modes_missing_shows_best_in_pitch_classes():
    """Chorales of 24 modes, every second one left out: covered reals should fall by a half."""
    dataset = ChoraleModes()
    representation = MultiVoice(dataset.parts, dataset.ranges, bars=4, steps_per_bar=4)
    pieces = dataset.prepare(None).pieces[:900]
    mode = dataset.oracle.assign(pieces).mode
    x = torch.as_tensor(np.stack(representation.encode_all(pieces)))
    kept = torch.as_tensor(mode[600:] % 2 == 0)

    def covered(space) -> tuple[float, float]:
        features = space(x)
        real, fake = features[:300], features[600:]
        half = fake[kept]
        return manifold(real, fake[: len(half)]).coverage, manifold(real, half).coverage

    by_bar = covered(PitchClasses(representation, parts=4))
    assert by_bar[0] > 0.8
    assert by_bar[1] == pytest.approx(0.5, abs=0.06)
    cells, kernels = covered(Raw(representation)), covered(RandomConvolution(representation))
    assert cells[1] < cells[0] - 0.1
    assert kernels[1] < kernels[0]
    assert by_bar[0] - by_bar[1] > max(cells[0] - cells[1], kernels[0] - kernels[1])


def test_the_kernels_are_the_same_each_time():
    x = melody([0, 4], [4, 12], [60, 74])
    assert torch.equal(RandomConvolution(MELODY)(x), RandomConvolution(MELODY)(x))
    assert not torch.equal(RandomConvolution(MELODY)(x), RandomConvolution(MELODY, seed=1)(x))
