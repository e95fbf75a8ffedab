"""Melodies as ABC text, token by token, in the manner of folk-rnn."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Gt

from partimento.distributions import Categorical
from partimento.errors import Mismatch, UserError
from partimento.formats.abc import MELODY, Unreadable, read_tunes
from partimento.formats.abc_header import MODES
from partimento.music import DEFAULT_VELOCITY, Piece
from partimento.representations.abc_tokens import (
    BAR,
    CLOSE,
    END,
    OPEN,
    PAD,
    REST,
    START,
    TIE,
    TRIPLET,
    Lengths,
    bar_tokens,
    bars_of,
    first_key,
    items_of,
    joined,
    key_token,
    length_token,
    note_tokens,
    shift_to_c,
    text_of,
)
from partimento.representations.base import Examples, Representation
from partimento.representations.grid import rescaled

if TYPE_CHECKING:
    pass

METRES = ("2/2", "2/4", "3/4", "4/4", "5/4", "6/4", "3/8", "6/8", "9/8", "12/8", "3/2")
LENGTHS = ("/4", "/3", "/2", "2/3", "3/4", "1", "4/3", "3/2", "7/4", "2", "5/2", "3", "7/2", "4",
           "6", "8", "12")  # fmt: skip


class Abc(Representation):
    """One melody as a sequence of ABC tokens: `<s> M:6/8 K:Cmaj |: G 3/2 A /2 ... :| </s>`.

    The tokens joined are ABC text that any program reads (unit L:1/8): metre, key, notes with the
    accidentals that the key and the bar do not imply, lengths, ties, triplets, rests, bar lines and
    repeats. An example is a whole tune, and `Examples.lengths` says how long. The alphabet follows
    from the arguments alone. Tokens and transposition to C are folk-rnn's (Sturm, Santos, Ben-Tal &
    Korshunova, Music transcription modelling and composition using deep learning, 2016), but for
    dotted pairs, which are written as lengths, and variant endings, which are written out.

    Held: onsets, ends, pitches, bar lines, metres, the end of the piece, the first key. A frame
    supplies what is not: part name, later keys, chord symbols, tempos, and with `to_c` the key.
    Lost: velocities.

    Args:
        to_c: Whether to move every tune so that its tonic is C; its mode stays.
        repeats: Whether two or more bars that are played twice in a row stand between |: and :|.
        low: Lowest MIDI number of the alphabet.
        high: Highest MIDI number of the alphabet.
        length: Tokens of an example: longer tunes are left out, shorter ones padded; None: as long
            as the tune.
        metres: Metres of the alphabet.
        lengths: Note lengths of the alphabet, in eighth notes; others are sums of tied ones.
        parts: Parts that the dataset promises, of which there may be one.

    Attributes:
        tokens: The alphabet; `tokens[0]` pads.

    Raises:
        UserError: When the range or a length is senseless.
        Mismatch: When the dataset promises several parts.
    """

    def __init__(
        self,
        to_c: bool = True,
        repeats: bool = True,
        low: int = 48,
        high: int = 100,
        length: Annotated[int, Gt(3)] | None = None,
        metres: Sequence[str] = METRES,
        lengths: Sequence[str] = LENGTHS,
        parts: Sequence[str] = (),
    ) -> None:
        if len(parts) > 1:
            raise Mismatch(
                "representation=abc holds one melody, but the dataset gives the parts "
                f"{', '.join(parts)}: take a dataset of melodies, such as dataset=celtic."
            )
        if not 0 < low <= high < 127:
            raise UserError(
                f"representation.low and high must be MIDI numbers from 1 to 126, not {low}, {high}."
            )
        self.to_c, self.repeats, self.low, self.high, self.length = to_c, repeats, low, high, length
        self.parts = tuple(parts)
        self.metres, self.length_names = tuple(metres), tuple(lengths)
        self._lengths = Lengths(map(_fraction, lengths))
        fifths = [0] if to_c else range(-7, 8)
        keys = {
            key_token(shift + (MODES[mode] if to_c else 0), mode)
            for mode in MODES
            for shift in fifths
        }
        self.tokens = (
            *(PAD, START, END, BAR, OPEN, CLOSE, TIE, TRIPLET, REST),
            *(f"M:{metre}" for metre in self.metres),
            *sorted(keys),
            *(length_token(length) for length in self._lengths.allowed if length != 1),
            *note_tokens(low, high),
        )
        self._index = {token: index for index, token in enumerate(self.tokens)}
        self._dtype = np.uint8 if len(self.tokens) <= 256 else np.uint16
        self.distribution = Categorical(
            shape=(length,), sizes=[len(self.tokens)], names=["text"], symbols=[self.tokens]
        )
        self.conditions = {}

    def arguments(self) -> dict[str, Any]:
        return {
            "to_c": self.to_c,
            "repeats": self.repeats,
            "low": self.low,
            "high": self.high,
            "length": self.length,
            "metres": list(self.metres),
            "lengths": list(self.length_names),
            "parts": list(self.parts),
        }

    def encode(self, piece: Piece) -> np.ndarray:
        """Return the whole piece as indices of tokens, `(tokens,)`.

        Raises:
            UserError: When the piece is no single melody, or has a pitch, metre or note length that
                the alphabet has not.
        """
        if self.to_c:
            piece = piece.transposed(shift_to_c(first_key(piece)))
        self._check(piece)
        return np.array([self._index[token] for token in self._written(piece)], self._dtype)

    def text(self, x: np.ndarray) -> str:
        """Return tokens as an ABC tune with header."""
        return text_of([self.tokens[int(index)] for index in x])

    def decode(self, x: np.ndarray, frame: Piece | None = None) -> Piece:
        """Return the music of tokens `(tokens,)`; every array of them has one, if need be silence.

        What cannot be read in its place is left out. With a frame the piece is in its key and its
        ticks, or a multiple of them where they are too coarse.

        Raises:
            ValueError: When x is no array of such tokens.
        """
        x = np.asarray(x)
        if x.ndim != 1 or (x.size and not 0 <= x.min() <= x.max() < len(self.tokens)):
            raise ValueError(f"tokens are an array (tokens,) of 0 to {len(self.tokens) - 1}")
        tune = read_tunes(self.text(x), id="untitled")[0]
        if isinstance(tune, Unreadable):
            if frame is not None:
                return frame
            empty = np.zeros(0, np.int32)
            return Piece("untitled", 24, empty, empty, empty, empty, parts=(MELODY,))
        return tune if frame is None else self._framed(tune, frame)

    def loss_of(self, piece: Piece) -> Mapping[str, int]:
        """Count velocities; a piece that the alphabet cannot hold is refused by `encode` as a whole."""
        count = int(np.sum(piece.velocity != DEFAULT_VELOCITY))
        return {"velocities": count} if count else {}

    def windows(self, piece: Piece, *, stride: int) -> Examples:
        """Return the piece as one example; `stride` counts for nothing, since tunes are not cut.

        Raises:
            UserError: As `encode` does, and when the tune has more tokens than an example.
        """
        x = self.encode(piece)
        lengths = np.array([len(x)])
        if self.length is not None:
            if len(x) > self.length:
                raise UserError(
                    f"'{piece.id}' has {len(x)} tokens, more than representation.length, "
                    f"{self.length}."
                )
            x = np.pad(x, (0, self.length - len(x)), constant_values=self._index[PAD])
        return Examples(x[None], lengths=lengths)

    def transpositions(self, piece: Piece) -> Sequence[int]:
        """Return every key once, as far as the alphabet reaches; 0 alone when all is brought to C."""
        if self.to_c or not len(piece):
            return (0,)
        lowest, highest = int(piece.pitch.min()), int(piece.pitch.max())
        return [
            shift
            for shift in range(-5, 7)
            if shift == 0 or (lowest + shift >= self.low and highest + shift <= self.high)
        ]

    def _check(self, piece: Piece) -> None:
        if len(piece.parts) != 1:
            raise UserError(
                f"'{piece.id}' has {len(piece.parts)} parts, but representation=abc holds one "
                "melody."
            )
        if not len(piece) or int(piece.onset.min()) < 0:
            raise UserError(f"'{piece.id}' holds no notes.")
        if int((piece.onset[:-1] + piece.duration[:-1] - piece.onset[1:]).max(initial=0)) > 0:
            raise UserError(f"'{piece.id}' has more than one note at once.")
        if not self.low <= piece.pitch.min() <= piece.pitch.max() <= self.high:
            raise UserError(
                f"'{piece.id}' has notes from {piece.pitch.min()} to {piece.pitch.max()}, where "
                f"{self.low} to {self.high} is allowed."
            )

    def _written(self, piece: Piece) -> list[str]:
        """Return the tokens of a melody of this alphabet's range."""
        bars = bars_of(piece)
        key = first_key(piece)
        if self.to_c:
            key = key._replace(fifths=MODES[key.mode])  # and not B# for C
        metres = [f"M:{bar.beats}/{bar.beat_type}" for bar in bars]
        for metre in metres:
            if metre not in self._index:
                raise UserError(
                    f"'{piece.id}' has the metre {metre[2:]}, which is not in representation.metres."
                )
        try:
            music = [
                tuple(bar_tokens(items, key.fifths, self._lengths))
                for items in items_of(piece, bars)
            ]
        except UserError as error:
            raise UserError(f"'{piece.id}' cannot be written: {error}.") from error
        # A change of metre is part of its bar, so that only bars in one metre repeat each other.
        for index in range(len(bars) - 1, 0, -1):
            if metres[index] != metres[index - 1]:
                music[index] = (metres[index], *music[index])
        return [
            START,
            metres[0],
            key_token(key.fifths, key.mode),
            *joined(music, self.repeats),
            END,
        ]

    def _framed(self, tune: Piece, frame: Piece) -> Piece:
        """Return the notes and bars of a tune in the key and the ticks of a frame."""
        if self.to_c:
            tune = tune.transposed(-shift_to_c(first_key(frame)))
        fine = math.lcm(tune.resolution, frame.resolution)
        tune = rescaled(tune, fine // tune.resolution)
        times = np.concatenate(
            [tune.onset, tune.duration, [bar.onset for bar in tune.bars], [tune.end]]
        )
        step = fine // frame.resolution
        if (times % step).any():
            frame, step = rescaled(frame, step), 1
        return dataclasses.replace(
            frame,
            onset=tune.onset // step,
            duration=tune.duration // step,
            pitch=tune.pitch,
            part=tune.part,
            velocity=None,
            parts=frame.parts if len(frame.parts) == 1 else tune.parts,
            bars=tuple(bar._replace(onset=bar.onset // step) for bar in tune.bars),
            end=tune.end // step,
        )


def _fraction(text: str) -> Fraction:
    """Return a length such as "3/2" or "/4" as a number.

    Raises:
        UserError: When it is none.
    """
    top, slash, bottom = str(text).partition("/")
    try:
        value = Fraction(int(top or 1), int(bottom) if slash else 1)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not 0 < value <= 64:
        raise UserError(f"representation.lengths has '{text}', where one such as 3/2 is needed.")
    return value
