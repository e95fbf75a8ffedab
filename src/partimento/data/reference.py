"""Real examples with the group of tunes that each is from, for what compares samples with music."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from partimento.data.collate import collate
from partimento.data.encoding import examples_of_piece
from partimento.data.module import MusicDataModule, ids_of
from partimento.datasets.base import ExampleDataset
from partimento.errors import UserError
from partimento.representations.base import Examples

SPARE = 4
"""Examples that are gathered for each that is wanted, so that short pieces are no shortage."""


class Reference(NamedTuple):
    """Real examples of a split.

    Attributes:
        x: The representation's own values, `(examples, ...)`.
        lengths: Valid steps of each; None: all.
        group: Group of tunes of each, `(examples,)`; points have one each.
    """

    x: Tensor
    lengths: Tensor | None
    group: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


def reference(data: MusicDataModule, split: str, most: int, seed: int = 0) -> Reference:
    """Return at most `most` examples of a split, of as many tunes as may be, by chance.

    Validation examples are transposed where training ones are, since samples of a model that was
    trained in all keys are in all keys too.

    Args:
        data: The data of a run.
        split: "train", "valid" or "test".
        most: Number of examples, at most.
        seed: Of the choice.

    Raises:
        UserError: When no piece of the split gives an example.
    """
    rng = np.random.default_rng([seed, most])
    if isinstance(data.dataset, ExampleDataset):
        examples = data.dataset.examples(split)
        chosen = rng.permutation(len(examples))[:most]
        return Reference(torch.as_tensor(examples.x[chosen]), None, chosen)
    parts, groups = _by_piece(data, split, most, rng)
    if not parts:
        raise UserError(f"No piece of the {split} split gives a window to compare samples with.")
    batch = collate(parts)
    chosen = rng.permutation(len(batch))[:most]
    index = torch.as_tensor(chosen)
    lengths = None if batch.lengths is None else batch.lengths[index]
    return Reference(batch.x[index], lengths, np.concatenate(groups)[chosen])


def _by_piece(
    data: MusicDataModule, split: str, most: int, rng: np.random.Generator
) -> tuple[list[Examples], list[np.ndarray]]:
    """Return examples of pieces in random order, and their groups, until there are enough to choose from.

    A piece gives no more than its share, so that long ones do not crowd out others.
    """
    pieces = data.pieces(split)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(data.corpus.groups))}
    of_piece = dict(zip(ids_of(data.corpus.pieces), data.corpus.groups, strict=True))
    transpose = data.config.transpose and data.dataset.transposable
    share = max(1, -(-SPARE * most // max(1, len(pieces))))
    parts: list[Examples] = []
    groups: list[np.ndarray] = []
    total = 0
    for place in rng.permutation(len(pieces)):
        piece = pieces[int(place)]
        try:
            found = examples_of_piece(piece, data.representation, data.config.stride, transpose)
        except UserError:
            continue  # left out of training too, where the log names it
        if not found:
            continue
        joined = collate(found)
        chosen = np.sort(rng.permutation(len(joined))[:share])
        parts.append(_chosen(found, chosen))
        groups.append(np.full(len(chosen), numbers[of_piece[piece.id]]))
        total += len(chosen)
        if total >= SPARE * most:
            break
    return parts, groups


def _chosen(parts: list[Examples], chosen: np.ndarray) -> Examples:
    """Return some of the examples of one piece, by their index over all of its parts."""
    batch = collate(parts)
    return Examples(
        batch.x.numpy()[chosen],
        lengths=None if batch.lengths is None else batch.lengths.numpy()[chosen],
    )
