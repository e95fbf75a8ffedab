"""Spaces in which samples are compared: what features of music two examples are near in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from annotated_types import Gt
from torch import Tensor
from torch.nn import functional as F

from partimento.component import Component
from partimento.errors import UserError
from partimento.music import Piece
from partimento.representations.base import Representation
from partimento.representations.chroma import PITCH_CLASSES


class FeatureSpace(Component, ABC):
    """Maps hard samples to points `(examples, features)` whose distances mean something.

    Args:
        representation: What the samples mean.
    """

    def __init__(self, representation: Representation) -> None:
        self.representation = representation

    def learn(self, corpus: Tensor, cache: str | Path | None = None) -> None:
        """Take hard training examples `(examples, ...)`, for a space that learns; others need none.

        Args:
            corpus: Training examples; padding where they vary in length.
            cache: Folder in which what was learnt is kept for others; None keeps nothing.
        """

    @abstractmethod
    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the features of samples `(examples, ...)`, float32 on the CPU.

        Args:
            x: Hard samples, the representation's own values.
            lengths: Valid steps of each; None: all.
        """


class Raw(FeatureSpace):
    """The features that a network is given: one-hot cells, rolls, points.

    Raises:
        UserError: When examples have no fixed length.
    """

    def __init__(self, representation: Representation) -> None:
        super().__init__(representation)
        refuse_varying(self, representation)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.representation.distribution.features(x).flatten(1).float().cpu()


class RandomConvolution(FeatureSpace):
    """A random convolution over time: small and quick, and knows nothing of music.

    A fixed layer of random kernels over `width` steps with a rectifier, averaged over the time of
    each of `parts` parts of the example. Of the spaces here it sees the least when half of the
    modes of synthetic chorales are missing, and pitch classes by the bar the most (see the tests).
    For points it is `Raw`.

    Args:
        representation: What the samples mean.
        channels: Number of kernels.
        width: Steps of a kernel.
        parts: Parts of an example that are averaged apart.
        seed: Of the kernels.

    Raises:
        UserError: When examples have no fixed length.
    """

    def __init__(
        self,
        representation: Representation,
        channels: Annotated[int, Gt(0)] = 32,
        width: Annotated[int, Gt(0)] = 4,
        parts: Annotated[int, Gt(0)] = 4,
        seed: int = 0,
    ) -> None:
        super().__init__(representation)
        refuse_varying(self, representation)
        steps, *rest = representation.distribution.feature_shape
        assert steps is not None  # refused above
        self.width, self.parts = min(width, steps), min(parts, steps)
        inputs = int(np.prod([size for size in rest if size is not None]))
        draw = torch.Generator().manual_seed(seed)
        scale = (inputs * self.width) ** -0.5
        self.kernels = scale * torch.randn(channels, inputs, self.width, generator=draw)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        features = self.representation.distribution.features(x).float().cpu()
        if self.representation.content == "points":
            return features.flatten(1)
        sequences = features.flatten(2).transpose(1, 2)
        found = F.relu(F.conv1d(F.pad(sequences, (0, self.width - 1)), self.kernels))
        return F.adaptive_avg_pool1d(found, self.parts).flatten(1)


class PitchClasses(FeatureSpace):
    """How long each pitch class sounds, in shares, in each of `parts` parts of the example.

    A representation with a fixed grid says at once what sounds at each step, which is hundreds of
    times as fast as decoding its examples to notes.

    Args:
        representation: What the samples mean.
        parts: Parts of an example; 1: one histogram; as many as beats: a chroma of the beats.

    Raises:
        UserError: When samples are no music.
    """

    def __init__(self, representation: Representation, parts: Annotated[int, Gt(0)] = 1) -> None:
        super().__init__(representation)
        refuse_points(self, representation)
        self.parts = parts

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        chroma = self.representation.chroma(x.cpu().numpy())
        if chroma is None:
            sounding = self._of_notes(x, lengths)
        else:
            weights = _overlaps(chroma.shape[1], self.parts, lengths)
            sounding = (weights @ chroma.astype(np.float32)).astype(np.float32)
        shares = sounding / np.maximum(sounding.sum(axis=2, keepdims=True), 1e-9)
        return torch.from_numpy(shares).flatten(1)

    def _of_notes(self, x: Tensor, lengths: Tensor | None) -> np.ndarray:
        """Return how long pitch classes sound in each part `(examples, parts, 12)`, from notes."""
        rows = np.zeros((len(x), self.parts, PITCH_CLASSES), dtype=np.float32)
        for row, piece in zip(rows, decoded(self.representation, x, lengths), strict=True):
            edges = np.linspace(0, max(piece.end, 1), self.parts + 1)
            low = np.maximum(piece.onset[:, None], edges[:-1])
            high = np.minimum((piece.onset + piece.duration)[:, None], edges[1:])
            np.add.at(row.T, piece.pitch % PITCH_CLASSES, np.maximum(high - low, 0))
        return rows


class Onsets(FeatureSpace):
    """Where in the quarter notes of an example notes begin: shares of `parts` equal parts of it.

    Args:
        representation: What the samples mean.
        parts: Parts of an example.

    Raises:
        UserError: When samples are no music.
    """

    def __init__(self, representation: Representation, parts: Annotated[int, Gt(0)] = 16) -> None:
        super().__init__(representation)
        refuse_points(self, representation)
        self.parts = parts

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        rows = np.zeros((len(x), self.parts), dtype=np.float32)
        for row, piece in zip(rows, decoded(self.representation, x, lengths), strict=True):
            part = np.minimum(piece.onset * self.parts // max(piece.end, 1), self.parts - 1)
            row += np.bincount(part, minlength=self.parts) / max(len(piece), 1)
        return torch.from_numpy(rows)


def _overlaps(steps: int, parts: int, lengths: Tensor | None) -> np.ndarray:
    """Return how much of each step lies in each part, `(examples or 1, parts, steps)`."""
    ends = np.array([steps]) if lengths is None else lengths.cpu().numpy()
    edges = np.linspace(0, np.maximum(ends, 1), parts + 1, axis=1)[..., None]
    step = np.arange(steps)
    shared = np.minimum(edges[:, 1:], step + 1) - np.maximum(edges[:, :-1], step)
    return np.clip(shared, 0, None).astype(np.float32)


def decoded(representation: Representation, x: Tensor, lengths: Tensor | None) -> list[Piece]:
    """Return the music of hard samples."""
    ends = [x.shape[1]] * len(x) if lengths is None else lengths.tolist()
    arrays = zip(x.cpu().numpy(), ends, strict=True)
    return [representation.decode(example[:end]) for example, end in arrays]


def refuse_varying(space: FeatureSpace, representation: Representation) -> None:
    """Refuse examples without a fixed length.

    Raises:
        UserError: Naming spaces that take them.
    """
    if representation.distribution.shape[0] is None:
        raise UserError(
            f"{type(space).__name__} compares examples of one length, but this representation's "
            "vary: compare PitchClasses or Onsets instead."
        )


def refuse_points(space: FeatureSpace, representation: Representation) -> None:
    """Refuse samples that are no music.

    Raises:
        UserError: Naming the space that takes them.
    """
    if representation.content != "music":
        raise UserError(
            f"{type(space).__name__} is about notes, but samples are {representation.content}: "
            "compare them with Raw."
        )
