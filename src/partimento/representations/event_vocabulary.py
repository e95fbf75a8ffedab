"""MidiTok's tokenizers from plain arguments: which there are, and what each can say of the music."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from partimento.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from miditok import MusicTokenizer, TokenizerConfig

Vocabulary = Literal["REMI", "MIDILike", "TSD", "Structured", "CPWord", "Octuple"]

SPECIAL = ("PAD", "BOS", "EOS")
"""Tokens that every vocabulary begins with, in this order."""

# What MidiTok 3.1 switches off by itself, or garbles, in a vocabulary, by its own argument's name.
_WITHOUT: dict[str, tuple[str, ...]] = {
    "Structured": ("use_rests", "use_chords", "use_pitch_intervals", "num_tempos"),
    "CPWord": ("use_pitch_intervals",),
    "Octuple": ("use_rests", "use_chords", "use_pitch_intervals"),
}

OCTUPLE_BARS = 256
"""Bars that Octuple can count, which tells the number of the bar with every note."""


@dataclass(frozen=True)
class EventOptions:
    """How music becomes MidiTok's tokens; the arguments mean what they mean in `TokenizerConfig`.

    Args:
        vocabulary: Name of the tokenizer's class.
        beat_res: Rows (first beat, last beat, steps per beat): durations up to the last beat of a
            row come in its steps. The finest of them is the grid of onsets.
        pitch_range: Lowest and highest MIDI number, both included.
        num_velocities: Number of velocity bins; 0: no velocity tokens.
        time_signatures: Metres that have a token, such as "3/4"; none: no such tokens, and bars of
            4/4 throughout. Structured has no place for them; Octuple would misread them.
        num_tempos: Number of tempo bins; 0: no tempo tokens.
        tempo_range: Lowest and highest tempo of the bins, in quarter notes per minute.
        programs: Number of parts that are told apart by a Program token before each note; 0: all
            parts are merged.
        use_rests: Whether silence is told by Rest tokens.
        use_chords: Whether a Chord token precedes notes that form one.
        use_pitch_intervals: Whether pitches are told by intervals where these are small.

    Raises:
        UserError: When an option is senseless or the vocabulary cannot have it.
    """

    vocabulary: Vocabulary = "REMI"
    beat_res: tuple[tuple[int, int, int], ...] = ((0, 4, 8), (4, 12, 4))
    pitch_range: tuple[int, int] = (21, 108)
    num_velocities: int = 32
    time_signatures: tuple[str, ...] = ()
    num_tempos: int = 0
    tempo_range: tuple[int, int] = (40, 250)
    programs: int = 0
    use_rests: bool = False
    use_chords: bool = False
    use_pitch_intervals: bool = False

    def __post_init__(self) -> None:
        if self.vocabulary not in get_args(Vocabulary):
            raise UserError(
                f"representation.vocabulary={self.vocabulary} is none of MidiTok's that are "
                f"supported.{did_you_mean(self.vocabulary, get_args(Vocabulary))}"
            )
        for name in _WITHOUT.get(self.vocabulary, ()):
            if getattr(self, name):
                raise UserError(
                    f"representation.{name}={getattr(self, name)} cannot be had with "
                    f"representation.vocabulary={self.vocabulary}, which has no such tokens."
                )
        if self.vocabulary == "CPWord" and self.use_rests and self.time_signatures:
            raise UserError(
                "representation.vocabulary=CPWord loses the metre with rests: set "
                "representation.use_rests=false or representation.time_signatures=[]."
            )
        if self.vocabulary == "Octuple" and self.time_signatures:
            raise UserError(
                "representation.vocabulary=Octuple misreads notes where the metre changes: set "
                "representation.time_signatures=[]."
            )
        self._check_numbers()

    def _check_numbers(self) -> None:
        low, high = self.pitch_range
        if not 0 <= low < high <= 127:
            raise UserError(
                "representation.pitch_range must go from a lower to a higher MIDI number between "
                f"0 and 127, not from {low} to {high}."
            )
        if not 0 <= self.num_velocities <= 127 or not 0 <= self.programs <= 128:
            raise UserError(
                "representation.num_velocities must be between 0 and 127, and there are at most "
                f"128 parts, not {self.num_velocities} and {self.programs}."
            )
        edges = [edge for first, last, _ in self.beat_res for edge in (first, last)]
        finest = max((steps for _, _, steps in self.beat_res), default=0)
        if (
            not edges
            or edges[0] != 0
            or edges[1:-1:2] != edges[2::2]
            or sorted(set(edges)) != [0, *edges[1::2]]
            or any(steps < 1 or finest % steps for _, _, steps in self.beat_res)
        ):
            raise UserError(
                "representation.beat_res must be rows [first beat, last beat, steps per beat], "
                "each beginning at 0 or where the one before ends, whose steps divide the finest, "
                f"not {[list(row) for row in self.beat_res]}."
            )
        for metre in self.time_signatures:
            beats, _, value = metre.partition("/")
            if not (beats.isdecimal() and int(beats) and value in ("1", "2", "4", "8", "16", "32")):
                raise UserError(
                    f"representation.time_signatures holds '{metre}', which is no metre such as "
                    "3/4 or 6/8."
                )
        if self.time_signatures and "4/4" not in self.time_signatures:
            raise UserError(
                "representation.time_signatures must hold 4/4, the metre of music that states none."
            )

    @property
    def metres(self) -> tuple[tuple[int, int], ...]:
        """Metres that have a token, as (beats, beat type); empty where the vocabulary has none."""
        if self.vocabulary == "Structured":
            return ()
        pairs = (metre.split("/") for metre in self.time_signatures)
        return tuple((int(beats), int(value)) for beats, value in pairs)

    @property
    def has_bars(self) -> bool:
        """Whether the tokens tell where bars begin."""
        return self.vocabulary in ("REMI", "CPWord", "Octuple")

    def plain(self) -> dict[str, Any]:
        """Return the options as plain containers."""
        return {
            name: [list(row) if isinstance(row, tuple) else row for row in value]
            if isinstance(value, tuple)
            else value
            for name, value in dataclasses.asdict(self).items()
        }

    def config(self) -> TokenizerConfig:
        """Return these options as MidiTok has them."""
        from miditok import TokenizerConfig

        further = {"max_bar_embedding": OCTUPLE_BARS} if self.vocabulary == "Octuple" else {}
        metres: dict[int, list[int]] = {}
        for beats, value in self.metres or ((4, 4),):
            metres.setdefault(value, []).append(beats)
        return TokenizerConfig(
            pitch_range=self.pitch_range,
            beat_res={(first, last): steps for first, last, steps in self.beat_res},
            num_velocities=self.num_velocities or 1,
            special_tokens=list(SPECIAL),
            use_velocities=self.num_velocities > 0,
            use_chords=self.use_chords,
            use_rests=self.use_rests,
            beat_res_rest={(first, last): steps for first, last, steps in self.beat_res},
            use_tempos=self.num_tempos > 0,
            num_tempos=self.num_tempos or 1,
            tempo_range=self.tempo_range,
            use_time_signatures=bool(self.metres),
            time_signature_range=metres,
            use_programs=self.programs > 0,
            programs=list(range(self.programs or 1)),
            use_pitch_intervals=self.use_pitch_intervals,
            use_pitchdrum_tokens=False,
            **further,
        )

    def tokenizer(self) -> MusicTokenizer:
        """Make MidiTok's tokenizer."""
        import miditok

        kind: Any = getattr(miditok, self.vocabulary)
        return kind(self.config())


def words_of(tokenizer: MusicTokenizer) -> list[list[str]]:
    """Return the tokens of each field in order of their ids; all but compound words have one."""
    fields: Sequence[Any] = tokenizer.vocab if tokenizer.is_multi_voc else [tokenizer.vocab]
    return [sorted(field, key=field.__getitem__) for field in fields]


def kind_of(word: str) -> str:
    """Return what a token tells, such as "Pitch" for "Pitch_60"; "" for those of no music."""
    kind = word.partition("_")[0]
    return "" if kind in (*SPECIAL, "Ignore") else kind


def field_name(words: Sequence[str]) -> str:
    """Return the name of a field of compound words, from the kinds of its tokens."""
    return "/".join(dict.fromkeys(kind_of(word) for word in words if kind_of(word)))


def whole_words(
    rows: np.ndarray, words: Sequence[Sequence[str]], fields: Mapping[str, int]
) -> np.ndarray:
    """Tell which compound words of CPWord have what MidiTok takes for granted, `(words,)`.

    A bar line must have its metre and a position its tempo, where the vocabulary has these; a
    model may say otherwise.

    Args:
        rows: Indices of tokens, `(words, fields)`.
        words: Tokens of each field.
        fields: Column of each field by its name.
    """

    def are(field: int, begin: str = "", end: str = "") -> np.ndarray:
        fitting = [word.startswith(begin) and word.endswith(end) for word in words[field]]
        return np.array(fitting)[rows[:, field]]

    metric = are(0, "Family_Metric")
    whole = np.ones(len(rows), dtype=bool)
    for kind, field in (("Bar", "TimeSig"), ("Position", "Tempo")):
        if field in fields:
            whole &= ~(metric & are(1, kind) & are(fields[field], end="_None"))
    return whole
