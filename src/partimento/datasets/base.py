"""The contract of a dataset: where music comes from, how it is split, and the card that says so."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from partimento.music import Piece

if TYPE_CHECKING:
    from partimento.metrics.oracles import Oracle
    from partimento.representations.base import Examples


@dataclass(frozen=True)
class Skipped:
    """A file that could not be used, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class Card:
    """The dataset card that every run folder holds.

    Attributes:
        name: Name of the dataset's config.
        title: What it is, in a few words.
        source: Where it is read from, with the version.
        licence: Under which terms, and where they are stated.
        citation: How to cite it.
        counts: Pieces, notes and so on.
        split_rule: How pieces were assigned to train, validation and test.
        ranges: Declared pitch range (lowest, highest MIDI number) of each part.
        notes: What a user should know (what was left out and why).
    """

    name: str
    title: str
    source: str
    licence: str
    citation: str
    counts: dict[str, int]
    split_rule: str
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return the card as plain containers."""
        return asdict(self)


@dataclass(frozen=True)
class Corpus:
    """A prepared dataset.

    Attributes:
        pieces: All usable pieces, in a stable order.
        groups: For each piece, the id of its group; a group holds pieces that share music and is
            never divided by a split.
        skipped: What could not be used.
        card: The dataset card.
        splits: Published split, as split name → piece ids; None: the data module splits by group.
    """

    pieces: Sequence[Piece]
    groups: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    card: Card
    splits: dict[str, tuple[str, ...]] | None = None


class Dataset(ABC):
    """A source of pieces. Subclasses import neither torch nor muspy at module level, to stay fast.

    Attributes:
        content: What it gives: "music", or what else its representation must hold.
        transposable: False where a transposed piece would not be one of the dataset's any more;
            its training pieces then stay as they are.
        parts: Names of the parts of every piece, when the dataset promises them.
        ranges: Declared pitch range (lowest, highest MIDI number) of each part.
        chords: Whether pieces have chord symbols; None: that depends on the user's files.
        oracle: Knows the true law, where there is one: which mode a sample belongs to.
        steps_per_quarter: Frames to the quarter note, when the music was published as frames.
    """

    content: ClassVar[str] = "music"
    transposable: bool = True
    parts: Sequence[str] = ()
    ranges: Sequence[tuple[int, int]] = ()
    chords: bool | None = False
    oracle: Oracle | None = None
    steps_per_quarter: int | None = None

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a short hash of everything that can change the pieces: source, reader, options."""

    @abstractmethod
    def prepare(self, cache: str | None) -> Corpus:
        """Return the corpus, from the cache folder when it holds one with this fingerprint.

        Raises:
            UserError: When the source is missing or unreadable.
        """


class ExampleDataset(Dataset):
    """A source of examples that are no music, such as points of the plane.

    They need no windows, so that the representation says only what they mean. The corpus that
    `prepare` returns has no pieces; its `splits` name what was drawn for each split.
    """

    @abstractmethod
    def examples(self, split: str) -> Examples:
        """Return all examples of "train", "valid" or "test", in the representation's own values."""
