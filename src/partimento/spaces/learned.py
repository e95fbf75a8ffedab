"""A feature space that is learnt from the corpus: what one part of an example tells of the others."""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn
from torch.nn import functional as F

from partimento.atomic import write_atomically
from partimento.distributions import Distribution
from partimento.errors import UserError
from partimento.representations.base import Representation
from partimento.seeds import generator, stream_seed
from partimento.spaces.fixed import FeatureSpace, refuse_points, refuse_varying

VERSION = 1
"""Raised whenever the same arguments would give another encoder; part of the cached file's name."""
WIDTH = 5
"""Steps of a kernel, odd, so that a step of the output is in the middle of what it sees."""
BATCH = 64
RATE = 5e-3
"""Of Adam at the beginning; it falls to 0 in a straight line."""
APPLIED = 1024
"""Examples that are encoded at once."""


class Autoencoder(nn.Module):
    """Two convolutions over time, averaged in parts, to a few features, and the whole example back.

    | tensor   | shape                               |
    |----------|-------------------------------------|
    | example  | `(batch, steps, ...)`, as features  |
    | features | `(batch, features)`                 |

    Args:
        inputs: Features of an example at one step.
        shape: Shape of the parameters of an example's distribution.
        features: Size of the code.
        channels: Kernels of each convolution.
        parts: Parts of an example that are averaged apart.
    """

    def __init__(
        self,
        inputs: Annotated[int, Gt(0)],
        shape: tuple[int, ...],
        features: Annotated[int, Gt(0)],
        channels: Annotated[int, Gt(0)],
        parts: Annotated[int, Gt(0)],
    ) -> None:
        super().__init__()
        self.parts = parts
        self.shape = shape
        self.first = nn.Conv1d(inputs, channels, WIDTH, padding=WIDTH // 2)
        self.second = nn.Conv1d(channels, channels, WIDTH, padding=WIDTH // 2)
        self.code = nn.Linear(channels * parts, features)
        self.hidden = nn.Linear(features, 2 * channels)
        self.example = nn.Linear(2 * channels, math.prod(shape))

    def encode(self, x: Tensor) -> Tensor:
        """Return the features of examples, `(batch, features)`."""
        sequences = x.flatten(2).transpose(1, 2)
        found = F.relu(self.second(F.relu(self.first(sequences))))
        return self.code(F.adaptive_avg_pool1d(found, self.parts).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the parameters of the distribution of whole examples, `(batch, *shape)`."""
        return self.example(F.relu(self.hidden(self.encode(x)))).unflatten(1, self.shape)


@dataclass(frozen=True)
class Settings:
    """What an encoder follows from, beside the corpus; see `Encoded`."""

    features: int
    channels: int
    parts: int
    hidden: float
    updates: int
    seed: int


def untrained(distribution: Distribution, settings: Settings) -> Autoencoder:
    """Return an autoencoder of examples of a distribution, with weights by the seed."""
    inputs, shape = distribution.feature_shape[1:], distribution.parameter_shape
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(stream_seed(settings.seed, "init"))
        return Autoencoder(
            math.prod(size or 0 for size in inputs),
            tuple(size or 0 for size in shape),
            settings.features,
            settings.channels,
            settings.parts,
        )


def trained(distribution: Distribution, x: Tensor, settings: Settings) -> Autoencoder:
    """Return an autoencoder of examples `(examples, ...)` that was trained with parts hidden.

    Weights, batches and hidden parts follow from the seed, in streams of their own.
    """
    network = untrained(distribution, settings)
    parts, updates = settings.parts, settings.updates
    draw = generator(settings.seed, "noise")
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    steps = x.shape[1]
    part = torch.arange(steps) * parts // steps
    with torch.enable_grad():
        for update in range(updates):
            rows = torch.randint(len(x), (BATCH,), generator=draw)
            shown = distribution.features(x[rows]).float().flatten(2)
            seen = torch.rand(BATCH, parts, generator=draw) >= settings.hidden
            parameters = network(shown * seen[:, part].unsqueeze(2))
            loss = -distribution.log_prob(parameters, x[rows]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.param_groups[0]["lr"] = RATE * (1 - update / updates)
            optimizer.step()
    return network.eval().requires_grad_(False)


class Encoded(FeatureSpace):
    """The code of a small autoencoder that has learnt the corpus, and to fill in hidden parts of it.

    An example in `parts` parts, of which most are hidden, is to be told whole from a code of a few
    numbers. What holds for all of an example, such as its key, progression or style, is what helps
    there, and what varies from part to part is of little use: examples of one mode come near to one
    another. (He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022, hide as
    much.) Features are standardised by those of the corpus.

    It is trained within seconds, on one thread of the CPU, by the seed alone; nothing that trains
    beside it is moved.

    Args:
        representation: What the samples mean.
        corpus: Hard training examples `(examples, ...)`; None: those that `learn` is given later,
            as the watch for mode collapse does.
        features: Size of the code.
        channels: Kernels of each convolution.
        parts: Parts of an example.
        hidden: Probability that a part is hidden.
        updates: Updates of the autoencoder.
        seed: Of weights, batches and hidden parts.

    Raises:
        UserError: When examples are no music, or have no fixed length.
    """

    def __init__(
        self,
        representation: Representation,
        corpus: Tensor | None = None,
        *,
        features: Annotated[int, Gt(0)] = 16,
        channels: Annotated[int, Gt(0)] = 64,
        parts: Annotated[int, Gt(1)] = 4,
        hidden: Annotated[float, Ge(0), Lt(1)] = 0.75,
        updates: Annotated[int, Gt(0)] = 300,
        seed: int = 0,
    ) -> None:
        super().__init__(representation)
        refuse_points(self, representation)
        refuse_varying(self, representation)
        steps = representation.distribution.feature_shape[0]
        self.settings = Settings(
            features, channels, min(parts, steps or parts), hidden, updates, seed
        )
        self.network: Autoencoder | None = None
        self.mean = self.scale = torch.zeros(features)
        if corpus is not None:
            self.learn(corpus)

    @property
    def num_features(self) -> int:
        """Size of the code, by the name that torchmetrics asks for."""
        return self.settings.features

    @torch.inference_mode(False)
    def learn(self, corpus: Tensor, cache: str | Path | None = None) -> None:
        """Train the encoder on hard examples `(examples, ...)`, or take it from the cache.

        Args:
            corpus: Training examples.
            cache: Folder in which trained encoders are kept, by the checksum of the examples and of
                the settings; None keeps none.

        Raises:
            UserError: When there is none.
        """
        if not len(corpus):
            raise UserError("An encoder needs examples of a corpus to learn from, not none.")
        # What Lightning's validation makes cannot be trained on; a copy can.
        corpus = corpus.cpu().clone()
        path = None if cache is None else Path(cache) / "encoders" / self._name(corpus)
        if path is not None and path.is_file():
            self.network, self.mean, self.scale = self._read(path)
            return
        self.network = trained(self.representation.distribution, corpus, self.settings)
        codes = self._codes(corpus)
        self.mean = codes.mean(dim=0)
        # A feature that never varies says nothing, and is not to be divided by 0.
        self.scale = codes.std(dim=0, correction=0).clamp(min=1e-6)
        if path is not None:
            self._write(path)

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        return (self._codes(x.cpu()) - self.mean) / self.scale

    @torch.no_grad()
    def _codes(self, x: Tensor) -> Tensor:
        assert self.network is not None, "an encoder must learn before it is asked"
        of = self.representation.distribution.features
        return torch.cat([self.network.encode(of(part).float()) for part in x.split(APPLIED)])

    # -- the cache ----------------------------------------------------------------------------

    def _name(self, corpus: Tensor) -> str:
        said = f"{VERSION}/{self.settings}/{self.representation.distribution}"
        digest = hashlib.sha256(f"{said}/{corpus.dtype}/{tuple(corpus.shape)}/".encode())
        digest.update(corpus.contiguous().numpy().tobytes())
        return f"{digest.hexdigest()[:32]}.pt"

    def _write(self, path: Path) -> None:
        assert self.network is not None  # learnt just now
        buffer = io.BytesIO()
        weights = self.network.state_dict()
        torch.save({"weights": weights, "mean": self.mean, "scale": self.scale}, buffer)
        write_atomically(path, buffer.getvalue())

    def _read(self, path: Path) -> tuple[Autoencoder, Tensor, Tensor]:
        kept = torch.load(path, weights_only=True)
        network = untrained(self.representation.distribution, self.settings)
        network.load_state_dict(kept["weights"])
        return network.eval().requires_grad_(False), kept["mean"], kept["scale"]


class Extractor(nn.Module):
    """A feature space as the module that `metrics.frechet`'s distances ask for features.

    Args:
        space: Maps hard samples to features.
        num_features: Number of features that it gives.
    """

    def __init__(self, space: FeatureSpace, num_features: Annotated[int, Gt(0)]) -> None:
        super().__init__()
        self.space = space
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        return self.space(x).to(x.device)
