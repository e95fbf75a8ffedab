"""MidiNet's bars: a melody bar by bar, one note per sixteenth, with the bar before and a chord."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import numpy as np
from annotated_types import Ge

from partimento.chords import Triad, chord_vector
from partimento.distributions import Bernoulli, Categorical, Distribution
from partimento.errors import UserError
from partimento.music import Piece
from partimento.representations.bar_chords import longest_triad, single_triad, triads_between
from partimento.representations.base import Examples, Representation
from partimento.representations.chroma import chroma_of_voices
from partimento.representations.grid import full_bars, sounding
from partimento.representations.melody_line import into_octaves, shift_to_c, top_line
from partimento.representations.multivoice import MultiVoice

if TYPE_CHECKING:
    from torchmetrics import Metric

STEPS = 16
_PITCHES = 128
# The symbols of the grid that bars are made from.
_HOLD, _REST = 128, 129

ChordRule = Literal["longest", "single", "none"]


class Bars(Representation):
    """One bar of 4/4 as 16 steps of one pitch each, given the bar before it and its chord.

    After Yang, Chou & Yang, "MidiNet" (ISMIR 2017): a bar is a matrix of 16 sixteenths by 128
    pitches, one note per step; the condition in two dimensions is the bar before, that in one
    dimension a major or minor triad in 13 numbers. Its data were not released; get_data.py of
    github.com/annahung31/MidiNet-by-pytorch lets silence prolong the note before it (`rest=False`)
    and takes only melodies within C4 to B5, into which `two_octaves=True` moves the others too.
    `features` of `x` is the matrix, `(batch, 16, 128)` with neither rest nor hold.

    | tensor               | shape                                                            |
    |----------------------|------------------------------------------------------------------|
    | x                    | `(bars, 16, 1)`: a MIDI number, then "hold" and "rest" if wanted |
    | condition `previous` | `(bars, 16 * previous, 1)`: the bars before, oldest first        |
    | condition `chord`    | `(bars, 13)`: 12 places for the triad, 1 where it is minor       |

    What it loses: without "hold" a note struck again at once becomes one long note (MidiNet loses
    every such onset); without "rest" all silence; notes between sixteenths go to the nearest one;
    all but the highest notes of one part; velocities; with `two_octaves` the register.
    `loss_of` counts them. Bars that are no full bar of 4/4 give no example, nor do those that begin
    between two sixteenths, or have no triad where a chord is wanted. A first bar, or one after a
    bar that is none, has silence before it: `previous` always has the symbol "rest", x only with
    `rest=True`.

    Args:
        previous: How many bars before a bar are its condition; 0: none.
        chord: "longest": of the triads of a bar the one that lasts longest is its condition;
            "single": only bars with one triad and nothing else; "none": no chord.
        minor_at: Which of the 12 places marks a minor triad, see `chord_vector`.
        rest: Whether the alphabet has a rest. Without it silence prolongs the note before it, or
            the first note begins earlier.
        hold: Whether the alphabet has a hold, so that repeated notes stay apart.
        in_c: Whether music moves to the key of C, A minor for minor keys; `decode` moves it back.
        two_octaves: Whether melodies move into C4 to B5, by octaves.
        part: Index of the part that has the melody.

    Raises:
        UserError: When an argument is senseless.
    """

    def __init__(
        self,
        previous: Annotated[int, Ge(0)] = 1,
        chord: ChordRule = "longest",
        minor_at: Literal["root", "relative"] = "root",
        rest: bool = True,
        hold: bool = False,
        in_c: bool = False,
        two_octaves: bool = False,
        part: Annotated[int, Ge(0)] = 0,
    ) -> None:
        for name, value in (("previous", previous), ("part", part)):
            if value < 0:
                raise UserError(f"representation.{name} must be 0 or more, not {value}.")
        for name, word, words in (
            ("chord", chord, get_args(ChordRule)),
            ("minor_at", minor_at, ("root", "relative")),
        ):
            if word not in words:
                raise UserError(f"representation.{name} is one of {', '.join(words)}, not {word}.")
        self.previous, self.chord, self.minor_at = previous, chord, minor_at
        self.has_rest, self.has_hold = rest, hold
        self.in_c, self.two_octaves, self.part = in_c, two_octaves, part
        self.rest_symbol = _PITCHES + hold
        self._grid = MultiVoice(("melody",), ((0, _PITCHES - 1),), bars=1, steps_per_bar=STEPS)
        self.distribution = self._alphabet(1, rest)
        self.conditions: dict[str, Distribution] = {}
        if previous:
            self.conditions["previous"] = self._alphabet(previous, rest=True)
        self.wants_chords = chord != "none"
        if self.wants_chords:
            self.conditions["chord"] = Bernoulli((13,))

    def _alphabet(self, bars: int, rest: bool) -> Categorical:
        symbols = (*range(_PITCHES), *["hold"] * self.has_hold, *["rest"] * rest)
        return Categorical((bars * STEPS, 1), [len(symbols)], ["melody"], [symbols])

    def arguments(self) -> dict[str, Any]:
        return {
            "previous": self.previous,
            "chord": self.chord,
            "minor_at": self.minor_at,
            "rest": self.has_rest,
            "hold": self.has_hold,
            "in_c": self.in_c,
            "two_octaves": self.two_octaves,
            "part": self.part,
        }

    def metrics(self) -> dict[str, Metric]:
        from partimento.metrics.grid import GridAccuracy

        # -1 stands for a symbol that the alphabet does not have.
        hold = _PITCHES if self.has_hold else -1
        return {
            "grid": GridAccuracy(["melody"], [hold], [self.rest_symbol if self.has_rest else hold])
        }

    def melody(self, piece: Piece) -> Piece:
        """Return the melody that is encoded, chords with it, in the key and register of the options.

        Raises:
            UserError: When the piece has no such part, or no key where one is needed.
        """
        melody = top_line(piece, self.part).piece
        if self.in_c:
            melody = melody.transposed(shift_to_c(piece))
        if self.two_octaves:
            melody = melody.with_notes(pitch=into_octaves(melody.pitch))
        return melody

    def encode(self, piece: Piece) -> np.ndarray:
        """Return the whole melody, pick-up included, as symbols `(steps, 1)`, uint8.

        Raises:
            UserError: When the piece has no such part, no key where one is needed, a pitch out of
                the MIDI range, or no note where silence cannot be told.
        """
        return self._symbols(self.melody(piece))

    def _symbols(self, melody: Piece) -> np.ndarray:
        """Return a melody in the alphabet of the options."""
        if not len(melody) and not self.has_rest:
            raise UserError(f"'{melody.id}' has no note in the part of the melody.")
        grid = self._grid.encode(melody)
        hold, rest = np.array([_HOLD], np.uint8), np.array([_REST], np.uint8)
        if not self.has_rest:
            grid = _without_rests(grid)
        if not self.has_hold:
            grid = sounding(grid, hold, rest)
        return np.where(grid == _REST, self.rest_symbol, grid).astype(np.uint8)

    def decode(self, x: np.ndarray, frame: Piece | None = None) -> Piece:
        """Return the music of bars, or of a whole piece, `(steps, 1)`.

        Without "hold", equal pitches in a row are one note. With `in_c` and a frame that has a key,
        the music goes to that key. See `MultiVoice.decode` for the rest.

        Raises:
            ValueError: When x is no array of these symbols.
        """
        x = np.asarray(x)
        if x.size and not 0 <= x.min() <= x.max() <= self.rest_symbol:
            raise ValueError(f"bars hold symbols from 0 to {self.rest_symbol}")
        grid = np.where(x == self.rest_symbol, _REST, x)
        if not self.has_hold and len(grid):
            same = np.diff(grid, axis=0, prepend=-1) == 0
            grid = np.where(same, _HOLD, grid)
        piece = self._grid.decode(grid, frame)
        if not self.in_c or not piece.keys:
            return piece
        pitch = piece.pitch - shift_to_c(piece)
        # A sample at the edge of the MIDI range goes to the same note an octave nearer.
        return piece.with_notes(pitch=pitch - 12 * (pitch >= _PITCHES) + 12 * (pitch < 0))

    def chroma(self, x: np.ndarray) -> np.ndarray:
        if self.has_hold:
            x = sounding(x, np.array([_HOLD]), np.array([self.rest_symbol]))
        return chroma_of_voices(x, np.array([_PITCHES]), np.array([0]))

    def loss_of(self, piece: Piece) -> Mapping[str, int]:
        """Count what bars lose or refuse, by reason; empty: `decode` gives the piece back."""
        if self.part >= len(piece.parts):
            return {"pieces without the part": 1}
        if self.in_c and not piece.keys:
            return {"pieces without a key": 1}
        line = top_line(piece, self.part)
        melody, losses = self.melody(piece), {}
        losses["notes of other parts"] = line.other_parts
        losses["notes under a higher one"] = line.under
        losses["notes cut short by a higher one"] = line.cut
        losses |= self._grid.loss_of(melody)
        if self.two_octaves:
            before = line.piece.pitch + (shift_to_c(piece) if self.in_c else 0)
            losses["notes moved by octaves"] = int((before != melody.pitch).sum())
        if not losses.get("notes out of range"):
            grid = self._grid.encode(melody)[:, 0]
            sounds = self._grid.sounding(grid[:, None])[:, 0]
            if not self.has_hold:
                again = (grid[1:] == sounds[:-1]) & (grid[1:] < _HOLD)
                losses["repeated notes joined"] = int(again.sum())
            if not self.has_rest:
                losses["silent steps"] = int((sounds == _REST).sum())
        return {reason: count for reason, count in losses.items() if count}

    def windows(self, piece: Piece, *, stride: int) -> Examples:
        """Return full bars of 4/4 with their conditions, one every `stride` bars.

        Raises:
            UserError: When the piece cannot be encoded, has no chord symbols although chords are
                wanted, or the stride is less than a bar.
        """
        if stride < 1:
            raise UserError(f"The stride of windows must be 1 bar or more, not {stride}.")
        if not piece.chords and self.chord != "none":
            raise UserError(
                f"'{piece.id}' has no chord symbols, which representation=bars conditions on; take "
                "a dataset of lead sheets, or representation.chord=none."
            )
        melody = self.melody(piece)
        runs = [run for run in full_bars(melody) if run[0] * 4 % melody.resolution == 0]
        bars = self._bars_at(self._symbols(melody), [t for run in runs for t in run], melody)
        chosen: list[int] = []
        before: list[list[int]] = []
        chords: list[tuple[int, ...]] = []
        first = 0
        for run in runs:
            for place in range(0, len(run), stride):
                triad = self._triad(melody, run[place])
                if triad is None and self.chord != "none":
                    continue
                chosen.append(first + place)
                # -1, the last of `bars`, is silence.
                earlier = range(place - self.previous, place)
                before.append([first + index if index >= 0 else -1 for index in earlier])
                chords.append(chord_vector(triad, self.minor_at) if triad else ())
            first += len(run)
        condition: dict[str, np.ndarray] = {}
        if self.previous:
            index = np.array(before, dtype=np.int64).reshape(-1, self.previous)
            condition["previous"] = bars[index].reshape(-1, self.previous * STEPS, 1)
        if self.chord != "none":
            condition["chord"] = np.array(chords, dtype=np.uint8).reshape(-1, 13)
        return Examples(bars[np.array(chosen, dtype=np.int64)], condition)

    def _bars_at(self, x: np.ndarray, onsets: Sequence[int], piece: Piece) -> np.ndarray:
        """Return the bars that begin at `onsets` (ticks) and a silent one, `(bars + 1, 16, 1)`."""
        starts = np.array(onsets, dtype=np.int64) * 4 // piece.resolution
        bars = np.asarray(x[starts[:, None] + np.arange(STEPS)])
        if self.has_hold:
            # A bar that opens inside a note restates its pitch.
            symbols = np.array([_HOLD], np.uint8), np.array([self.rest_symbol], np.uint8)
            bars[:, 0] = sounding(x, *symbols)[starts]
        return np.concatenate([bars, np.full((1, STEPS, 1), self.rest_symbol, np.uint8)])

    def _triad(self, melody: Piece, start: int) -> Triad | None:
        """Return the triad of the bar at `start` (ticks), if it has one that counts."""
        ticks = triads_between(melody, start, start + 4 * melody.resolution)
        return single_triad(ticks) if self.chord == "single" else longest_triad(ticks)

    def transpositions(self, piece: Piece) -> Sequence[int]:
        """Return every key once: semitones from -5 to 6 that leave the pitches in MIDI's range.

        With `in_c` it is 0 alone, since all music goes to C.
        """
        pitch = piece.pitch[piece.part == self.part]
        if self.in_c or not len(pitch):
            return (0,)
        return tuple(s for s in range(-5, 7) if -s <= pitch.min() and pitch.max() + s < _PITCHES)


def _without_rests(grid: np.ndarray) -> np.ndarray:
    """Return a grid whose silences prolong the note before; the first note begins the grid."""
    filled = np.where(grid == _REST, _HOLD, grid)
    onsets = np.flatnonzero(filled[:, 0] < _HOLD)
    if len(onsets) and onsets[0] > 0:
        filled[0] = filled[onsets[0]]
        filled[onsets[0]] = _HOLD
    return filled
