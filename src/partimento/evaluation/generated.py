"""The evaluation of a model that samples: its music, its variety, what it copied, and the true law."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from partimento.data.module import MusicDataModule
from partimento.data.reference import Reference, reference
from partimento.diagnostics.mode_collapse import default_space, named
from partimento.diagnostics.monitor import Monitor
from partimento.diagnostics.tiers import kept_calibrations
from partimento.errors import UserError
from partimento.evaluation.music_report import Section, distances_section, statistics_section
from partimento.generation.strategies import SingleStep
from partimento.metrics.copied_windows import copied_windows, sounding_frames
from partimento.metrics.copies import copy_rate, near_copy_rate
from partimento.metrics.duplicates import effective_support, unique_share
from partimento.metrics.oracles import judge, reverse_kl_floor
from partimento.models.base import Model
from partimento.models.latent import Generative
from partimento.music import Piece
from partimento.representations.base import Representation
from partimento.seeds import generator
from partimento.spaces.fixed import decoded

log = logging.getLogger(__name__)

MOST = 10_000
"""Samples, and real examples of a split, at most."""
MOST_A_SIDE = 500
"""Examples of a side that are compared for collapse, at most."""
RESAMPLES = 199
CHUNK = 500
NEAR = 0.05
"""Share of the cells in which a near copy differs, at most."""
MOST_NEAR = 1_000, 20_000
"""Samples and training examples between which near copies are looked for, at most."""

MOST_PIECES = 2_000
"""Training pieces in which copied windows are looked for, at most."""

Report = dict[str, Section]
"""Sections of tables by name."""


class Sides(NamedTuple):
    """Examples of three kinds."""

    samples: Reference
    held_out: Reference
    train: Reference


def evaluate_generator(
    model: Model,
    representation: Representation,
    data: MusicDataModule,
    *,
    count: int | None = None,
    temperature: float = 1.0,
    seed: int = 0,
) -> Report:
    """Return what can be said of a model's samples beside real examples, as sections of tables.

    `about` counts examples; `music` and `distances` are statistics of music; `collapse` has the
    measures of the watch for mode collapse beside the interval of a perfect model, and `failures`
    what they speak of; `copies` and `copied_windows` are about what samples share with training
    examples and with each other; `oracle` is there where the true law is known. Held-out examples
    are those of the test split, transposed where training examples are. Averaged weights are taken
    where the model keeps them.

    Args:
        model: A trained model.
        representation: What its samples mean.
        data: The data that it was trained with.
        count: Number of samples; None: as many as there are training examples, `MOST` at most.
        temperature: Of the samples; 1 is the model's own law.
        seed: Of the samples, and of the choice of real examples.

    Raises:
        UserError: When the model cannot sample by itself, or the test split has no example.
    """
    train, held_out = (reference(data, split, MOST, seed) for split in ("train", "test"))
    samples = draw(model, data, count or len(train), temperature, seed)
    report: Report = {
        "about": {
            "examples": {
                "samples": float(len(samples)),
                "held_out": float(len(held_out)),
                "train": float(len(train)),
            }
        }
    }
    music = representation.content == "music"
    pieces: list[list[Piece]] = []
    if music:
        log.info("Measuring the music of %d samples.", len(samples))
        pieces = [decoded(representation, s.x, s.lengths) for s in (samples, held_out, train)]
        report |= _music(pieces, (samples, held_out, train), seed)
    sides = Sides(samples, held_out, train)
    report |= collapse_sections(model, data, sides, temperature=temperature, seed=seed)
    if music:
        report["copies"] = copies_section(samples, held_out, data, seed)
        report["copied_windows"] = windows_section(pieces[0], pieces[1], data, seed)
    if data.dataset.oracle is not None:
        sets: Sequence[Any] = pieces[:2] if music else [s.x.numpy() for s in (samples, held_out)]
        report["oracle"] = oracle_section(data.dataset.oracle, *sets)
    return report


def draw(
    model: Model, data: MusicDataModule, count: int, temperature: float, seed: int
) -> Reference:
    """Return samples, with the conditions, given cells and lengths of test examples in turn.

    Each is a group of its own.
    """
    examples = data.examples("test")
    stream = generator(seed, "sampling", device=model.device)
    parts: list[Tensor] = []
    lengths: list[Tensor] = []
    for begin in range(0, count, CHUNK):
        rows = torch.arange(begin, min(begin + CHUNK, count)) % len(examples)
        batch = examples[rows].to(model.device)
        drawn = SingleStep(temperature).generate(
            model,
            n=len(rows),
            given=model.given_of(batch),
            condition=batch.condition,
            lengths=batch.lengths,
            generator=stream,
        )
        parts.append(drawn.cpu())
        if batch.lengths is not None:
            lengths.append(batch.lengths.cpu())
    x = torch.cat(widened(parts))
    return Reference(x, torch.cat(lengths) if lengths else None, np.arange(count))


def widened(parts: Sequence[Tensor]) -> list[Tensor]:
    """Return tensors `(n, steps, ...)` with as many steps each, filled up with 0."""
    most = max(part.shape[1] for part in parts)
    found = []
    for part in parts:
        room = part.new_zeros((len(part), most - part.shape[1], *part.shape[2:]))
        found.append(torch.cat([part, room], dim=1))
    return found


def _music(pieces: list[list[Piece]], sides: Sequence[Reference], seed: int) -> Report:
    names = ("samples", "held_out", "train")
    groups = [side.group for side in sides]
    named = {n: (p, g) for n, p, g in zip(names, pieces, groups, strict=True)}
    return {
        "music": statistics_section(named, seed),
        "distances": distances_section(*pieces),
    }


def collapse_sections(
    model: Model, data: MusicDataModule, sides: Sides, *, temperature: float, seed: int
) -> Report:
    """Return the measures of collapse, each beside its interval; nothing of too small a corpus.

    The columns of `collapse` are `value`, the interval's `low`, `middle` and `high`, and `excess`,
    the distance from the middle in half-widths: beyond 1 a value is outside. `failures` names what
    the pattern of the values speaks of.
    """
    space = default_space(data.representation)
    samples, *pools = sides
    features = [space(pool.x, pool.lengths) for pool in reversed(pools)]
    groups = [named(pool, split) for split, pool in enumerate(reversed(pools))]
    most = min(MOST_A_SIDE, len(samples), *map(len, features))
    cache = None if data.cache is None else Path(data.cache) / "calibrations"
    try:
        found, _ = kept_calibrations(
            cache,
            torch.cat(features),
            np.concatenate(groups),
            {"thorough": most},
            resamples=RESAMPLES,
            held_out=groups[1],
        )
    except UserError as error:
        log.warning("Nothing is said of mode collapse: %s", error)
        return {}
    monitor = Monitor(features[0], features[1], found)
    count = monitor.count("thorough")

    def first(drawn: Reference) -> Tensor:
        return space(drawn.x[:count], None if drawn.lengths is None else drawn.lengths[:count])

    again = None
    if isinstance(model, Generative) and model.conditions:
        again = first(draw(model, data, count, temperature, seed + 1))
    seen = monitor.observe(model.counters["updates"], first(samples), again, tier="thorough")
    section: Section = {"examples_a_side": {"value": float(count)}}
    for name, value in seen.values.items():
        ends = monitor.intervals("thorough")[name].as_dict()
        section[name] = _known({"value": value, **ends, "excess": seen.excess[name]})
    return {"collapse": section, "failures": {name: {"found": 1.0} for name in seen.failures}}


def copies_section(
    samples: Reference, held_out: Reference, data: MusicDataModule, seed: int
) -> Section:
    """Return how much of samples, and of held-out music, is in the training examples to the note.

    `exact_copies`, and `near_copies`, which differ in `NEAR` of the cells at most; the share of
    `unique` ones among as many of each; and the `effective_support`, the number of equally likely
    examples of which as many would be equal by chance.
    """
    examples = data.examples("train")
    chosen = np.random.default_rng(seed).permutation(len(examples))[: MOST_NEAR[1]]
    known = Reference(examples.x.cpu(), examples.lengths, np.arange(len(examples)))
    rows = dict(zip(("samples", "held_out", "train"), _rows(samples, held_out, known), strict=True))
    most = int(NEAR * rows["train"].shape[1])
    size = min(len(samples), len(held_out))
    near = rows["train"][chosen]

    def both(measure: Callable[[np.ndarray], float]) -> dict[str, float]:
        return {side: measure(rows[side]) for side in ("samples", "held_out")}

    return {
        "exact_copies": both(lambda x: copy_rate(x, rows["train"])),
        "near_copies": both(lambda x: near_copy_rate(x[: MOST_NEAR[0]], near, most)),
        "unique": both(lambda x: unique_share(torch.from_numpy(x[:size]))),
        "effective_support": both(lambda x: effective_support(torch.from_numpy(x)).size),
    }


def windows_section(
    samples: Sequence[Piece], held_out: Sequence[Piece], data: MusicDataModule, seed: int
) -> Section:
    """Return how much of samples, and of held-out music, stands in training pieces, by length.

    A row for each length in quarter notes: the share of the windows of that length that stand in a
    training piece (in any key where training is in all), and, as `SIDE_longest`, the share of the
    moments from which the longest such window has that length.
    """
    transposed = data.config.transpose and data.dataset.transposable
    corpus = [sounding_frames(piece) for piece in _as_represented(data, seed)]
    found: Section = {}
    for side, pieces in (("samples", samples), ("held_out", held_out)):
        windows = copied_windows(
            [sounding_frames(p) for p in pieces], corpus, transposed=transposed
        )
        for length, (share, longest) in enumerate(zip(*windows, strict=True)):
            row = {side: float(share)} if length else {}
            found.setdefault(str(length), {}).update(
                _known({**row, f"{side}_longest": float(longest)})
            )
    longest = max(int(length) for length, row in found.items() if "samples" in row)
    return {length: row for length, row in found.items() if int(length) <= longest}


def _as_represented(data: MusicDataModule, seed: int) -> list[Piece]:
    """Return training pieces as the representation has them, `MOST_PIECES` at most."""
    pieces, found = data.pieces("train"), []
    for place in np.random.default_rng(seed).permutation(len(pieces))[:MOST_PIECES]:
        piece = pieces[int(place)]
        try:
            found.append(data.representation.decode(data.representation.encode(piece)))
        except UserError:
            continue  # left out of training too, where the log names it
    return found


def _known(row: Mapping[str, float]) -> dict[str, float]:
    """Return a row without what is undefined."""
    return {column: number for column, number in row.items() if not math.isnan(number)}


def _rows(*sides: Reference) -> list[np.ndarray]:
    """Return examples as rows of as many cells; cells after the end of an example are -1."""
    wide = widened([side.x.long() for side in sides])
    for x, side in zip(wide, sides, strict=True):
        if side.lengths is not None:
            x[torch.arange(x.shape[1]) >= side.lengths.cpu().view(-1, 1)] = -1
    return [x.flatten(1).numpy() for x in wide]


def oracle_section(oracle: Any, samples: Any, held_out: Any) -> Section:
    """Return what the true law says of samples, and of held-out draws, and what is possible.

    `perfect` is what as many draws from the law score: all modes (of enough draws), the law's own
    share of high quality, and the reverse divergence that chance alone gives.
    """
    best = {
        "modes": float(oracle.modes),
        "high_quality": oracle.ceiling,
        "reverse_kl": reverse_kl_floor(oracle.modes, len(samples)),
    }
    sides = {"samples": judge(oracle, samples), "held_out": judge(oracle, held_out)}
    section: Section = {}
    for name, value in best.items():
        row = {**{side: found[name] for side, found in sides.items()}, "perfect": value}
        section[name] = _known(row)
    return section
