"""Pieces to the examples of a representation, and what is lost or left out on the way."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence

from partimento.errors import UserError
from partimento.music import Piece
from partimento.representations.base import Examples, Representation

log = logging.getLogger(__name__)


def examples_of(
    pieces: Iterable[Piece], representation: Representation, stride: int, transpose: bool
) -> list[Examples]:
    """Return the examples of pieces, in order, each piece in all its transpositions if asked for.

    Pieces that the representation cannot hold are left out, counted and named in the log.
    """
    found: list[Examples] = []
    refused: list[tuple[str, str]] = []
    for piece in pieces:
        try:
            found.extend(examples_of_piece(piece, representation, stride, transpose))
        except UserError as error:
            refused.append((piece.id, str(error)))
    tell_refused(refused, len(refused))
    return found


def examples_of_piece(
    piece: Piece, representation: Representation, stride: int, transpose: bool
) -> list[Examples]:
    """Return the examples of one piece, a part for each transposition that gives any.

    Raises:
        UserError: When the representation cannot hold the piece.
    """
    shifts = representation.transpositions(piece) if transpose else (0,)
    parts = [representation.windows(piece.transposed(s), stride=stride) for s in shifts]
    return [part for part in parts if len(part)]


def losses_of(pieces: Iterable[Piece], representation: Representation) -> Counter[str]:
    """Count what the representation loses of pieces, by reason; pieces it cannot hold lose nothing."""
    total: Counter[str] = Counter()
    for piece in pieces:
        try:
            total.update(representation.loss_of(piece))
        except UserError:
            continue  # left out, which `examples_of` tells
    return total


def tell_refused(refused: Sequence[tuple[str, str]], count: int) -> None:
    """Say in the log how many pieces are left out, and name the first of them with reasons."""
    if count:
        named = "; ".join(f"{id} ({reason})" for id, reason in refused[:5])
        log.warning("%d pieces left out: %s", count, named)
