"""How long the passages are that music shares with a corpus: the longest copied window at each onset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
import torch
from annotated_types import Gt
from torch import Tensor
from torchmetrics import Metric

from partimento.music import Piece

SILENT = -1
"""Cell of a frame in which nothing sounds."""
LONGEST = 32
SPAN = 512
"""More than the number of different intervals between two MIDI pitches, up and down."""


def sounding_frames(piece: Piece, per_quarter: int = 1) -> np.ndarray:
    """Return which pitches sound at each frame of a piece, `(frames, most at once)`, ascending.

    A frame is a moment, the first of each `1 / per_quarter` of a quarter note; whether a pitch is
    struck or held there does not matter, nor which part has it. Cells above the last pitch are -1.

    Args:
        piece: Music.
        per_quarter: Frames to the quarter note.
    """
    moments = np.arange(0, piece.end * per_quarter, piece.resolution)
    # Times in ticks / per_quarter are integers in these units, whatever the resolution.
    start, stop = piece.onset * per_quarter, (piece.onset + piece.duration) * per_quarter
    roll = np.zeros((len(moments), 128), dtype=bool)
    first, last = np.searchsorted(moments, start), np.searchsorted(moments, stop)
    for begin, end, pitch in zip(first, last, piece.pitch, strict=True):
        roll[begin:end, pitch] = True
    width = int(roll.sum(axis=1).max(initial=1))
    frames = np.full((len(moments), width), SILENT, dtype=np.int64)
    moment, pitch = np.nonzero(roll)
    place = np.arange(len(moment)) - np.searchsorted(moment, moment)
    frames[moment, place] = pitch
    return frames


class _Frames(NamedTuple):
    """Frames of many sequences, one after the other.

    Attributes:
        kind: Which frame it is; under transposition, which up to transposition, `(frames,)`.
        height: Pitch that the frame is moved to 0 by, 0 where frames are not moved, `(frames,)`.
        origin: `height` of the first frame from here on that sounds, `(frames,)`.
        left: Frames from here to the end of the sequence, this one included, `(frames,)`.
    """

    kind: np.ndarray
    height: np.ndarray
    origin: np.ndarray
    left: np.ndarray


def longest_copies(
    sequences: Sequence[np.ndarray],
    corpus: Sequence[np.ndarray],
    longest: Annotated[int, Gt(0)] = LONGEST,
    *,
    transposed: bool = False,
) -> list[np.ndarray]:
    """Return for each frame how long a window that begins there is found in a corpus, 0 to `longest`.

    In the manner of the plagiarism analysis of Hadjeres, Pachet & Nielsen ("DeepBach", ICML 2017),
    and exact: a window is named by the name of the one that is a frame shorter and the frame that
    is added, so that no two different ones have one name. No window goes over the end of a
    sequence.

    Args:
        sequences: Frames of each piece, `(frames, voices)` of MIDI numbers, below 0 where a voice
            is silent.
        corpus: The same of the music that may have been copied.
        longest: Length in frames at which the search ends.
        transposed: Whether a window that is moved by any number of semitones is a copy too.

    Returns:
        Lengths in frames, `(frames,)` for each sequence.
    """
    both = [*sequences, *corpus]
    sizes = [len(one) for one in both]
    total = sum(sizes[: len(sequences)])
    found = np.zeros(total, dtype=np.int64)
    frames = _frames(both, transposed)
    name = np.zeros(sum(sizes), dtype=np.int64)
    live = np.arange(len(name))
    for length in range(1, longest + 1):
        live = live[frames.left[live] >= length]
        # Windows of which one kind only is left are copies of none, nor are longer ones.
        name, live = _lengthened(frames, name, live, length, total)
        if not len(live):
            break
        found[live[live < total]] = length
    return np.split(found, np.cumsum(sizes[: len(sequences)])[:-1]) if len(sequences) else []


def _frames(sequences: Sequence[np.ndarray], transposed: bool) -> _Frames:
    width = max((one.shape[1] for one in sequences), default=1)
    rows = np.full((sum(map(len, sequences)), width), SILENT, dtype=np.int64)
    left, start = np.zeros(len(rows), dtype=np.int64), 0
    for one in sequences:
        stop = start + len(one)
        rows[start:stop, : one.shape[1]] = np.maximum(one, SILENT)
        left[start:stop] = np.arange(len(one), 0, -1)
        start = stop
    height = np.zeros(len(rows), dtype=np.int64)
    origin = height
    if transposed:
        sounds: np.ndarray = rows > SILENT
        height = np.take_along_axis(rows, sounds.argmax(axis=1)[:, None], axis=1)[:, 0]
        rows = np.where(sounds, rows - height[:, None], -SPAN)
        origin = _from_here_on(height, heard := np.any(sounds, axis=1), left)
        height = np.where(heard, height, SILENT)
    kind = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
    return _Frames(kind, height, origin, left)


def _from_here_on(height: np.ndarray, sounds: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Return the height of the next frame that sounds; 0 where none does in the sequence."""
    place = np.where(sounds, np.arange(len(height)), len(height))
    following = np.minimum.accumulate(place[::-1])[::-1]
    inside = following < np.arange(len(height)) + left
    return np.where(inside, height[np.where(inside, following, 0)], 0)


def _lengthened(
    frames: _Frames, name: np.ndarray, live: np.ndarray, length: int, total: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the names of windows of a length, and where those begin that both kinds have."""
    last = live + length - 1
    moved = frames.height[last] - frames.origin[live]
    # Silence is not moved.
    moved = np.where(frames.height[last] == SILENT, 0, moved) + SPAN // 2
    added = frames.kind[last] * SPAN + moved
    longer = name[live] * ((int(frames.kind.max(initial=0)) + 1) * SPAN) + added
    names, index = np.unique(longer, return_inverse=True)
    ours, theirs = (np.zeros(len(names), dtype=bool) for _ in range(2))
    ours[index[live < total]] = True
    theirs[index[live >= total]] = True
    shared = (ours & theirs)[index]
    renamed = np.zeros_like(name)
    renamed[live] = index
    return renamed, live[shared]


class CopiedWindows(NamedTuple):
    """Longest copied windows over many sequences; index 0 is length 0.

    Attributes:
        share: Share of the windows of each length that occur in the corpus, `(longest + 1,)`; NaN
            where no sequence is so long.
        histogram: Share of the onsets whose longest copied window has each length, `(longest + 1,)`.
    """

    share: np.ndarray
    histogram: np.ndarray


def count_copies(lengths: Sequence[np.ndarray], longest: int) -> np.ndarray:
    """Return counts over sequences of `longest_copies`, `(3, longest + 1)`.

    Windows of each length that are copies, windows of each length, and onsets by longest copy.
    """
    counts = np.zeros((3, longest + 1), dtype=np.int64)
    size = np.arange(longest + 1)
    for one in lengths:
        by_length = np.bincount(np.minimum(one, longest), minlength=longest + 1)
        counts[0] += by_length[::-1].cumsum()[::-1]
        counts[1] += np.maximum(len(one) - np.maximum(size, 1) + 1, 0)
        counts[2] += by_length
    return counts


def copied_windows(
    sequences: Sequence[np.ndarray],
    corpus: Sequence[np.ndarray],
    longest: Annotated[int, Gt(0)] = LONGEST,
    *,
    transposed: bool = False,
) -> CopiedWindows:
    """Return how much of music is copied from a corpus, by the length of the windows.

    Real music quotes and shares formulas: the figures mean something beside those of held-out
    pieces of the same kind. The arguments are those of `longest_copies`.

    Raises:
        ValueError: When the sequences have no frame at all.
    """
    lengths = longest_copies(sequences, corpus, longest, transposed=transposed)
    return _shares(count_copies(lengths, longest))


def _shares(counts: np.ndarray) -> CopiedWindows:
    copies, windows, onsets = counts
    if not onsets.sum():
        raise ValueError("there are no frames in which copies could be looked for")
    share = np.where(windows > 0, copies / np.maximum(windows, 1), np.nan)
    return CopiedWindows(share, onsets / onsets.sum())


class LongestCopies(Metric):
    """`copied_windows` over batches of sequences: `copied_windows/LENGTH` for lengths 1, 2, 4, 8, ….

    Args:
        corpus: Frames of each piece of the training set, `(frames, voices)`.
        longest: Length in frames at which the search ends.
        transposed: Whether a window that is moved by any number of semitones is a copy too.
    """

    is_differentiable = False
    full_state_update = False

    counts: Tensor

    def __init__(
        self,
        corpus: Sequence[np.ndarray],
        longest: Annotated[int, Gt(0)] = LONGEST,
        transposed: bool = False,
    ) -> None:
        super().__init__()
        self.corpus, self.longest, self.transposed = list(corpus), longest, transposed
        zeros = torch.zeros(3, longest + 1, dtype=torch.int64)
        self.add_state("counts", zeros, dist_reduce_fx="sum")

    def update(self, sequences: Sequence[np.ndarray]) -> None:
        """Count the copies in sequences of frames `(frames, voices)`."""
        lengths = longest_copies(sequences, self.corpus, self.longest, transposed=self.transposed)
        self.counts += torch.as_tensor(count_copies(lengths, self.longest)).to(self.counts.device)

    def compute(self) -> dict[str, float]:
        """Return the shares of windows of 1, 2, 4, … frames that are copies."""
        found = self.windows()
        lengths = [2**power for power in range(self.longest.bit_length())]
        return {f"copied_windows/{length}": float(found.share[length]) for length in lengths}

    def windows(self) -> CopiedWindows:
        """Return the shares by length and the histogram of the longest.

        Raises:
            ValueError: When nothing was counted.
        """
        return _shares(self.counts.cpu().numpy())
