"""Music as a sequence of events: MidiTok's vocabularies, REMI unless another is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge, Gt

from partimento.distributions import Categorical
from partimento.errors import UserError
from partimento.music import DEFAULT_VELOCITY, Piece
from partimento.representations.base import Examples, Representation
from partimento.representations.event_losses import (
    quantisation_losses,
    refuse_long,
    refuse_unfit,
    retold_notes,
)
from partimento.representations.event_score import (
    first_in_first_out,
    in_order,
    piece_of,
    score_of,
    silent_score,
)
from partimento.representations.event_vocabulary import (
    EventOptions,
    Vocabulary,
    field_name,
    kind_of,
    whole_words,
    words_of,
)
from partimento.representations.excerpts import chunks, full_excerpts
from partimento.representations.remi import RemiEncoder

if TYPE_CHECKING:
    from torchmetrics import Metric

METRES = (
    "4/4",
    "3/4",
    "2/4",
    "6/8",
    "3/8",
    "9/8",
    "12/8",
    "2/2",
    "3/2",
    "4/2",
    "6/4",
    "5/4",
    "1/4",
)


class Events(Representation):
    """A sequence of tokens `(length,)`; of compound words `(length, fields)` for CPWord, Octuple.

    MidiTok (Fradet et al., "MidiTok: A Python package for MIDI file tokenization", ISMIR 2021,
    Late-Breaking Demo) makes the tokens: REMI (Huang & Yang, "Pop Music Transformer", 2020) tells
    each bar, the position in it, and of each note the pitch, velocity and duration. A document is
    `BOS`, the tokens of the music, `EOS`; a pick-up is preceded by the rest that completes its bar.

    Kept: pitch; onset, duration and velocity where they are on the grid, in the vocabulary, one of
    the bins; the part with `use_programs`. Lost, and counted by `loss_of`: the rest of these. Not
    held, and taken from the frame in decoding: bar lines (but the metres told by tokens), keys,
    chord symbols, tempos, the end of the piece, names.

    Compound words are a grid whose voices are the fields, since their fields are drawn
    independently given the words before (Hsiao et al., "Compound Word Transformer", AAAI 2021).

    Args:
        parts: Names of the parts; a dataset declares them. They matter with `use_programs` only.
        vocabulary: MidiTok's tokenizer.
        length: Tokens of one example; longer music goes on in the next example.
        bars: Bars of one excerpt; None: pieces are taken whole.
        use_programs: Whether parts are told apart, by a Program token before each note.
        max_parts: Number of parts told apart where the dataset declares none.
        beat_res: See `EventOptions`, as for all that follow.
        pitch_range: Lowest and highest MIDI number.
        num_velocities: Number of velocity bins; 0: none, notes are decoded with velocity 64.
        time_signatures: Metres that have a token.
        num_tempos: Number of tempo bins; 0: none.
        tempo_range: Lowest and highest tempo of the bins.
        use_rests: Whether silence is told by Rest tokens.
        use_chords: Whether a Chord token precedes notes that form one.
        use_pitch_intervals: Whether pitches are told by intervals where these are small.

    Attributes:
        tokenizer: MidiTok's.
        words: The tokens of each field, in order of their ids.
        pad, bos, eos: Ids of the tokens that fill up, begin and end, in every field.

    Raises:
        UserError: When an option is senseless or the vocabulary cannot have it.
    """

    pad, bos, eos = 0, 1, 2

    def __init__(
        self,
        parts: Sequence[str] = (),
        vocabulary: Vocabulary = "REMI",
        length: Annotated[int, Gt(1)] = 512,
        bars: Annotated[int, Gt(0)] | None = None,
        use_programs: bool = False,
        max_parts: Annotated[int, Gt(0)] = 16,
        beat_res: Sequence[tuple[int, int, int]] = ((0, 4, 8), (4, 12, 4)),
        pitch_range: tuple[int, int] = (21, 108),
        num_velocities: Annotated[int, Ge(0)] = 32,
        time_signatures: Sequence[str] = METRES,
        num_tempos: Annotated[int, Ge(0)] = 0,
        tempo_range: tuple[int, int] = (40, 250),
        use_rests: bool = False,
        use_chords: bool = False,
        use_pitch_intervals: bool = False,
    ) -> None:
        if length < 2 or (bars is not None and bars < 1):
            raise UserError(
                "representation.length must be 2 or more and representation.bars 1 or more, not "
                f"{length} and {bars}."
            )
        self.parts, self.max_parts = tuple(parts), max_parts
        self.length, self.bars = length, bars
        self.options = EventOptions(
            vocabulary=vocabulary,
            beat_res=tuple((int(a), int(b), int(c)) for a, b, c in beat_res),
            pitch_range=(int(pitch_range[0]), int(pitch_range[1])),
            num_velocities=num_velocities,
            time_signatures=tuple(time_signatures),
            num_tempos=num_tempos,
            tempo_range=(tempo_range[0], tempo_range[1]),
            programs=(len(self.parts) or max_parts) if use_programs else 0,
            use_rests=use_rests,
            use_chords=use_chords,
            use_pitch_intervals=use_pitch_intervals,
        )
        self.tokenizer = self.options.tokenizer()
        self.words = words_of(self.tokenizer)
        self._remi = RemiEncoder(self.tokenizer) if RemiEncoder.supports(self.tokenizer) else None
        self._dtype = np.int16 if max(map(len, self.words)) < 2**15 else np.int32
        compound = self.tokenizer.is_multi_voc
        self.distribution = Categorical(
            shape=(length, len(self.words)) if compound else (length,),
            sizes=[len(words) for words in self.words],
            names=[field_name(words) for words in self.words] if compound else ["token"],
            symbols=self.words,
        )
        self.conditions = {}

    def arguments(self) -> dict[str, Any]:
        options = self.options.plain()
        return {
            "parts": list(self.parts),
            "length": self.length,
            "bars": self.bars,
            "use_programs": options.pop("programs") > 0,
            "max_parts": self.max_parts,
            **options,
        }

    def metrics(self) -> dict[str, Metric]:
        from partimento.metrics.tokens import TokenAccuracy

        return {"tokens": TokenAccuracy([list(map(kind_of, words)) for words in self.words])}

    def encode(self, piece: Piece) -> np.ndarray:
        """Return the whole piece as one document, `(tokens,)` or `(tokens, fields)`.

        Notes go to the nearest place of the grid, durations and velocities to the nearest of the
        vocabulary (see `loss_of` for a count).

        Raises:
            UserError: When the piece has too many parts, a note outside the pitch range, a metre
                without a token, or too many bars for Octuple.
        """
        return self._document(self._ids(self._on_grid(piece)))

    def _document(self, ids: np.ndarray) -> np.ndarray:
        edge = (1, *ids.shape[1:])
        return np.concatenate([np.full(edge, self.bos), ids, np.full(edge, self.eos)]).astype(
            self._dtype
        )

    def _on_grid(self, piece: Piece) -> Any:
        """Return the piece as a score that holds what the tokens can tell."""
        refuse_unfit(piece, self.options)
        score = score_of(piece, merged=not self.options.programs)
        return self._ordered(self.tokenizer.preprocess_score(score))

    def _ordered(self, grid: Any) -> Any:
        if self.options.vocabulary == "MIDILike":
            grid = first_in_first_out(grid)
        return in_order(grid)

    def _ids(self, score: Any) -> np.ndarray:
        if self._remi is not None:
            return self._remi.encode(score, preprocess=False)[0]
        if self.options.vocabulary == "Octuple":
            refuse_long(score)
        found = self.tokenizer.encode(score, no_preprocess_score=True)
        ids = (found[0] if isinstance(found, list) else found).ids
        fields = (len(self.words),) if self.tokenizer.is_multi_voc else ()
        return np.array(ids, dtype=np.int64).reshape(-1, *fields)

    def decode(self, x: np.ndarray, frame: Piece | None = None) -> Piece:
        """Return the music of a document, up to the first `EOS`; every array of tokens has some.

        Tokens that tell no note, such as a pitch without a duration, are passed over. The ticks are
        those of the frame, or a multiple where they are too coarse for the grid. Without a frame
        the piece is in whole bars of the metres that the tokens tell, 4/4 where they tell none.
        """
        score = self._score(np.asarray(x))
        if not self.options.num_tempos:
            score.tempos = []
        parts = self.parts or tuple(f"Part {i + 1}" for i in range(self.options.programs))
        piece = piece_of(score, frame, parts if self.options.programs else ("",))
        if self.options.num_velocities:
            return piece
        return piece.with_notes(velocity=np.full(len(piece), DEFAULT_VELOCITY))

    def _score(self, x: np.ndarray) -> Any:
        from miditok import TokSequence

        if x.ndim != len(self.distribution.shape) or x.shape[1:] != self.distribution.shape[1:]:
            raise ValueError(f"a document has no shape {x.shape}")
        if x.size and (x.min() < 0 or (x >= np.array([len(words) for words in self.words])).any()):
            raise ValueError("a document holds a token that is not in the vocabulary")
        rows = x.reshape(len(x), len(self.words))
        ends = np.flatnonzero((rows == self.eos).any(axis=1))
        rows = rows[: ends[0] if len(ends) else None]
        whole = (rows > self.eos).all(axis=1)
        if self.options.vocabulary == "CPWord":
            whole &= whole_words(rows, self.words, self.tokenizer.vocab_types_idx)
        ids = x[: len(rows)][whole].tolist()
        if not ids:
            return silent_score(self.tokenizer.time_division)
        sequence = TokSequence(ids=ids)
        return self.tokenizer.decode(sequence if self.tokenizer.one_token_stream else [sequence])

    def loss_of(self, piece: Piece) -> Mapping[str, int]:
        """Count what the tokens lose, by reason; empty: `decode` gives the piece back in its frame.

        Raises:
            UserError: As `encode` does.
        """
        refuse_unfit(piece, self.options)
        raw = score_of(piece, merged=not self.options.programs)
        grid = self.tokenizer.preprocess_score(raw)
        losses = quantisation_losses(piece, raw, grid, self.options)
        if self._remi is None:
            ids = self._ids(self._ordered(grid.copy()))
            retold = retold_notes(grid, self._score(self._document(ids)))
            losses |= {"notes told otherwise": retold} if retold else {}
        return losses

    def windows(self, piece: Piece, *, stride: int) -> Examples:
        """Return documents cut into examples of `length` tokens, the last of each filled with `PAD`.

        A document is the whole piece; with `bars` an excerpt of so many full bars, one every
        `stride` bars, whose beginning restates the notes that sound. Every token of a document is
        in exactly one example.

        Raises:
            UserError: As `encode` does, or when the stride is less than a bar.
        """
        if self.bars is None:
            return chunks([self.encode(piece)], self.length, self.pad)
        documents = [self.encode(part) for part in full_excerpts(piece, self.bars, stride)]
        return chunks(documents, self.length, self.pad)

    def transpositions(self, piece: Piece) -> Sequence[int]:
        """Return the semitones, 0 included, of every key once: -5 to 6 inside the pitch range."""
        low, high = self.options.pitch_range
        if not len(piece):
            return (0,)
        lowest, highest = int(piece.pitch.min()), int(piece.pitch.max())
        return tuple(s for s in range(-5, 7) if not s or low <= lowest + s <= highest + s <= high)
