"""What a dataset holds in a representation: counts, lengths, ranges, metres, and what is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from partimento.data.module import MusicDataModule
from partimento.datasets.base import Corpus
from partimento.music import Piece, to_muspy
from partimento.reports.pianoroll import note_name


def quantiles(values: Sequence[float]) -> str:
    """Return the least, the median and the greatest of some values as text."""
    if not len(values):
        return "none"
    low, middle, high = np.quantile(np.array(values), [0.0, 0.5, 1.0])
    return f"{low:g} to {high:g}, median {middle:g}"


def commonest(counts: Counter[str], shown: int = 5) -> str:
    """Return the most frequent entries as text, and how many others there are."""
    told = [f"{name} ({count})" for name, count in counts.most_common(shown)]
    others = sum(counts.values()) - sum(count for _, count in counts.most_common(shown))
    return ", ".join([*told, f"others ({others})"] if others else told)


def opening_metre(piece: Piece) -> str:
    """Return the metre in which a piece begins, such as "6/8", or "none"."""
    return f"{piece.bars[0].beats}/{piece.bars[0].beat_type}" if piece.bars else "none"


def part_ranges(pieces: Sequence[Piece]) -> dict[str, str]:
    """Return the range that is used of each part, by name: "C3 to G5"."""
    spans: dict[str, tuple[int, int]] = {}
    for piece in pieces:
        for index, name in enumerate(piece.parts):
            pitch = piece.pitch[piece.part == index]
            if len(pitch):
                low, high = spans.get(name, (127, 0))
                spans[name] = min(low, int(pitch.min())), max(high, int(pitch.max()))
    return {name: f"{note_name(low)} to {note_name(high)}" for name, (low, high) in spans.items()}


def music_facts(corpus: Corpus) -> dict[str, str]:
    """Return the facts about the pieces of a corpus, as text by name."""
    pieces = corpus.pieces
    ranges = part_ranges(pieces)
    told = [f"{name or 'unnamed'} {span}" for name, span in list(ranges.items())[:8]]
    quarters = [piece.end / piece.resolution for piece in pieces]
    return {
        "pieces": f"{len(pieces)} in {len(set(corpus.groups))} groups that share music",
        "skipped": str(len(corpus.skipped)),
        "notes": f"{sum(map(len, pieces)):,} ({quantiles([len(piece) for piece in pieces])} a piece)",
        "quarter notes": quantiles([round(length, 2) for length in quarters]),
        "bars": quantiles([len(piece.bars) for piece in pieces]),
        "metres": commonest(Counter(map(opening_metre, pieces))),
        "parts": commonest(Counter(str(len(piece.parts)) for piece in pieces)),
        "ranges": ", ".join([*told, f"and {len(ranges) - 8} more"] if len(ranges) > 8 else told),
        "with chords": str(sum(bool(piece.chords) for piece in pieces)),
    }


def muspy_statistics(pieces: Sequence[Piece], most: int = 200) -> dict[str, str]:
    """Return mean and standard deviation of muspy's statistics over at most `most` pieces.

    Pitch-class entropy is in bits; scale consistency is the largest share of notes in one major or
    minor scale; polyphony is the mean number of pitches at the times when there are any.
    """
    import muspy

    # Evenly from the whole corpus, whose beginning may be one collection.
    places = range(0, len(pieces), max(1, len(pieces) // most))[:most]
    chosen = [pieces[place] for place in places if len(pieces[place])]
    if not chosen:
        return {}
    music = [to_muspy(piece) for piece in chosen]
    told = {}
    for name in ("pitch_class_entropy", "scale_consistency", "polyphony"):
        values = np.array([getattr(muspy, name)(item) for item in music])
        told[name.replace("_", " ")] = f"{values.mean():.2f} ± {values.std():.2f}"
    return {f"{name} ({len(chosen)} pieces)": text for name, text in told.items()}


def example_facts(data: MusicDataModule) -> dict[str, str]:
    """Return the facts about the training examples that a corpus gives, as text by name."""
    facts: dict[str, Any] = {}
    members = data.manifest.splits
    for split in ("train", "valid", "test"):
        batch = data.examples(split)
        shape = " x ".join(str(size) for size in batch.x.shape[1:])
        facts[split] = f"{len(members[split])} pieces, {len(batch):,} examples of {shape}"
        if batch.lengths is not None:
            facts[split] += f" ({quantiles(batch.lengths.tolist())} steps)"
    facts["conditions"] = ", ".join(data.examples("train").condition) or "none"
    lost = [f"{count} {reason}" for reason, count in sorted(data.lost().items())]
    facts["lost"] = ", ".join(lost) or "nothing"
    return facts
