"""Harmonise a melody of any length with a model of fixed windows, keeping the given voices."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from partimento.errors import Mismatch
from partimento.generation.melody import Line, choose_part, fitting_shift, lead_in, line_of
from partimento.generation.stitching import stitch, window_starts
from partimento.music import Piece
from partimento.representations.grid import grid_steps
from partimento.representations.multivoice import MultiVoice

if TYPE_CHECKING:
    import torch

    from partimento.generation.strategies import Strategy
    from partimento.models.base import Model
    from partimento.representations.base import Representation


class Harmonization(NamedTuple):
    """A harmonised melody.

    Attributes:
        piece: All voices of the representation; the given ones are those of the melody.
        messages: What was done to the melody on the way, one line each.
    """

    piece: Piece
    messages: list[str]


def harmonize(
    model: Model,
    representation: Representation,
    melody: Piece,
    strategy: Strategy,
    generator: torch.Generator | None = None,
) -> Harmonization:
    """Add the missing voices to a melody (or a bass, or whatever voices the model takes as given).

    The melody goes to the grid of the representation and, when it lies outside the range of its
    voice, by the fewest semitones into it, and back at the end. Windows overlap by half and begin
    at bar lines; a pick-up stands at the end of a bar padded with rests. Each step is taken from
    the window in which it is most central. The result has bar lines, keys and tempos of the melody.

    Args:
        model: Predicts the other voices from `model.given_voices`.
        representation: The multi-voice grid that the model was trained on.
        melody: A piece; see `choose_part` for which of its parts are taken.
        strategy: How the model is asked.
        generator: Source of randomness, for strategies that draw.

    Raises:
        UserError: When the melody has no notes or is wider than the range of its voice.
        Mismatch: When the model takes no given voices, or another representation.
    """
    representation = _checked(model, representation)
    given: tuple[str, ...] = tuple(getattr(model, "given_voices", ()))
    index = [representation.parts.index(voice) for voice in given]
    messages: list[str] = []
    lines = _given_lines(representation, melody, given, messages)
    shift = fitting_shift(lines, given, [representation.ranges[i] for i in index])
    if shift:
        messages.append(_told_shift(representation, given, shift))
    messages.extend(_told_metre(melody))
    grid = _encode(representation, melody, lines, index, shift)
    _tell_silence(representation, lines, messages)

    pad = -lead_in(melody, representation.steps_per_quarter) % representation.steps_per_bar
    if pad:
        messages.append(
            "What comes before the first full bar (a pick-up) is padded with rests to a bar."
        )
    whole = _fill(model, representation, grid, index, strategy, generator, pad)
    whole[:, index] = grid[:, index]
    frame = dataclasses.replace(melody.frame(), parts=representation.parts, chords=())
    piece = representation.decode(whole, frame)
    return Harmonization(piece.with_notes(pitch=piece.pitch - shift), messages)


def _checked(model: Model, representation: Representation) -> MultiVoice:
    if not isinstance(representation, MultiVoice):
        raise Mismatch(
            f"Harmonising needs a multi-voice grid, and this is a {type(representation).__name__}: "
            "use a model trained with representation=multivoice."
        )
    if not getattr(model, "given_voices", ()):
        raise Mismatch(
            f"{type(model).__name__} takes no given voices, so it cannot harmonise: use a model "
            "such as minibach."
        )
    if model.distribution != representation.distribution:
        raise Mismatch(
            "The model was trained on another grid (voices, ranges or window) than this "
            "representation: use the representation that was saved with it."
        )
    return representation


def _given_lines(
    representation: MultiVoice, melody: Piece, given: tuple[str, ...], messages: list[str]
) -> list[Line]:
    """Return the line of each given voice; say what was chosen and changed."""
    lines = []
    last = representation.parts[-1]
    for voice in given:
        part = choose_part(melody, voice, representation.parts)
        name = melody.parts[part]
        if len(np.unique(melody.part)) > 1:
            messages.append(f"The {voice} is taken from part {part + 1} ('{name}').")
        highest = voice != last
        line = line_of(melody, part, representation.steps_per_quarter, highest=highest)
        lines.append(line)
        if line.off_grid:
            messages.append(
                f"{line.off_grid} note(s) of the {voice} begin or end between the steps of the "
                f"grid ({representation.steps_per_quarter} to a quarter note): moved to the "
                "nearest."
            )
        if line.dropped or line.shortened:
            messages.append(
                f"The {voice} sings one note at a time: of notes together the "
                f"{'highest' if highest else 'lowest'} is kept ({line.dropped} left out, "
                f"{line.shortened} shortened)."
            )
    return lines


def _told_shift(representation: MultiVoice, given: tuple[str, ...], shift: int) -> str:
    ranges = [
        f"{voice} {low} to {high}"
        for voice, (low, high) in zip(representation.parts, representation.ranges, strict=True)
        if voice in given
    ]
    return (
        f"Transposed by {shift:+d} semitone(s) into range (MIDI numbers of {', '.join(ranges)}) "
        "for the model, and back afterwards."
    )


def _told_metre(melody: Piece) -> list[str]:
    metres = sorted({f"{bar.beats}/{bar.beat_type}" for bar in melody.bars[1:]} - {"4/4"})
    if not metres:
        return []
    return [
        f"The melody has bars of {', '.join(metres)}; the model knows 4/4 and is asked for windows "
        "of that length, whatever the metre."
    ]


def _encode(
    representation: MultiVoice, melody: Piece, lines: list[Line], index: list[int], shift: int
) -> np.ndarray:
    """Return the grid of the given voices, the others at rest, `(steps, voices)`."""
    spq = representation.steps_per_quarter
    last = max(int(line.stop.max()) for line in lines)
    starts = np.concatenate([line.start for line in lines])
    stops = np.concatenate([line.stop for line in lines])
    part = np.repeat(index, [len(line.start) for line in lines])
    on_grid = Piece(
        melody.id,
        spq,
        starts,
        stops - starts,
        np.concatenate([line.pitch for line in lines]) + shift,
        part,
        parts=representation.parts,
        end=max(grid_steps(melody, spq), last),
    )
    return representation.encode(on_grid)


def _tell_silence(representation: MultiVoice, lines: list[Line], messages: list[str]) -> None:
    if representation.has_rest:
        return
    if any((line.start[1:] > line.stop[:-1]).any() for line in lines):
        messages.append("This grid has no rest: where the melody is silent its last note goes on.")


def _fill(
    model: Model,
    representation: MultiVoice,
    grid: np.ndarray,
    index: list[int],
    strategy: Strategy,
    generator: torch.Generator | None,
    pad: int,
) -> np.ndarray:
    """Return the grid with the voices that the model adds, `(steps, voices)`."""
    import torch

    from partimento.data.batch import Given

    bar, window = representation.steps_per_bar, representation.steps
    hop = max(1, representation.bars // 2) * bar
    starts = window_starts(pad + len(grid), window, hop)
    rests = np.array(representation.rest, dtype=grid.dtype)
    padded = np.tile(rests, (starts[-1] + window, 1))
    padded[pad : pad + len(grid)] = grid
    windows = np.stack([representation.cut(padded, start, start + window) for start in starts])
    x = torch.from_numpy(windows).long()
    mask = torch.zeros_like(x, dtype=torch.bool)
    mask[..., index] = True
    made = strategy.generate(model, given=Given(x, mask), n=len(x), generator=generator)
    onsets = padded < np.array(representation.hold)
    given_onset = np.any(onsets[:, index], axis=1)
    whole = stitch(representation, made.cpu().numpy(), starts, given_onset)
    return representation.cut(whole, pad, pad + len(grid))
