"""Models that draw k batches to a step, on four chorales, and runs of them, for tests/models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pytorch_lightning import Trainer
from torch import Tensor, nn

from partimento.config import DataConfig
from partimento.data.batch import Batch
from partimento.data.loader import TrainLoader
from partimento.data.module import MusicDataModule
from partimento.datasets.base import Card, Corpus, Dataset
from partimento.datasets.chorales import PARTS, RANGES, read_bach
from partimento.distributions import Categorical
from partimento.models.base import Evaluation, Model
from partimento.music import Piece
from partimento.representations.base import Examples
from partimento.representations.multivoice import MultiVoice
from partimento.runs.checkpoint import AtomicCheckpointIO, Checkpointing
from partimento.runs.folder import RunFolder
from partimento.runs.quiet import quiet_lightning

SEED = 4
BATCH = 6
# The bars of 4/4 of the three training chorales, and the batches that hold them: 5 of 6 and 1 of 5.
WINDOWS = 9 + 10 + 16
PER_EPOCH = 6
EPOCHS = 3

Schedule = Callable[[int], int]


# -- music whose every window can be told from the others ---------------------------------------


class Few(Dataset):
    """Four chorales, three of them to train on."""

    def fingerprint(self) -> str:
        return "few"

    def prepare(self, cache: str | None) -> Corpus:
        pieces = tuple(read_bach(number) for number in ("253", "254", "267", "256"))
        ids = tuple(piece.id for piece in pieces)
        splits = {"train": ids[:3], "valid": ids[3:], "test": ids[3:]}
        return Corpus(pieces, ids, (), Card("few", "", "", "", "", {}, ""), splits)


class Placed(MultiVoice):
    """A grid that says of each window which it is."""

    def __init__(self) -> None:
        super().__init__(PARTS, RANGES, bars=1)
        self.conditions = {"place": Categorical((2,), (1000,))}

    def windows(self, piece: Piece, *, stride: int) -> Examples:
        x = self.grids(piece, stride=stride)
        own = np.full(len(x), int(piece.id.removeprefix("bwv")))
        return Examples(x, {"place": np.stack([own, np.arange(len(x))], axis=1)})


Place = tuple[int, int]


def places(batch: Batch) -> list[Place]:
    return [(int(piece), int(window)) for piece, window in batch.condition["place"]]


# -- two models that draw ------------------------------------------------------------------------


class Drawing(Model):
    """What both have: a generator of one linear layer, and notes of what happened."""

    draws: ClassVar[bool] = True
    COUNTERS: ClassVar[tuple[str, ...]] = (*Model.COUNTERS, "discriminator_updates")

    def __init__(self, representation: Placed, schedule: Schedule) -> None:
        super().__init__(representation.distribution, representation.conditions)
        self.schedule = schedule
        shape = self.distribution.parameter_shape
        self.generator = nn.Sequential(
            nn.Linear(3, int(np.prod(shape))), nn.Dropout(0.2), nn.Unflatten(1, shape)
        )
        self.drawn: list[list[Place]] = []
        self.validated: list[dict[str, int]] = []

    def real(self, source: TrainLoader) -> Tensor:
        """Draw one batch as features and note which it was."""
        batch = self.draw(source)
        self.drawn.append(places(batch))
        return self.distribution.features(batch.x)

    def noise(self, count: int) -> Tensor:
        """Latent codes from the stream that the base class keys."""
        return torch.randn(count, 3)

    def evaluate(self, batch: Batch) -> Evaluation:
        parameters = self.generator(torch.zeros(len(batch), 3))
        log_prob = self.distribution.log_prob(parameters, batch.x)
        return Evaluation(log_prob, None, torch.ones_like(batch.x, dtype=torch.bool))

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        self.validated.append(self.counters)

    def sample(self, n: int | None = None, **options: Any) -> Tensor:
        parameters = self.generator(self.noise(n or 1))
        return self.distribution.sample(parameters)


class Adversaries(Drawing):
    """Manual optimization: k updates of a critic on fresh batches, then one of the generator."""

    def __init__(self, representation: Placed, schedule: Schedule) -> None:
        super().__init__(representation, schedule)
        self.automatic_optimization = False
        features = int(np.prod(self.distribution.feature_shape))
        self.critic = nn.Sequential(
            nn.Flatten(),
            nn.Linear(features, 4),
            nn.Dropout(0.2),
            nn.ReLU(),
            nn.Linear(4, 1, bias=False),
        )

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [
            torch.optim.Adam(self.generator.parameters(), lr=1e-2),
            torch.optim.RMSprop(self.critic.parameters(), lr=1e-2),
        ]

    def fake(self, count: int) -> Tensor:
        return self.distribution.relax(self.generator(self.noise(count)))

    def training_step(self, source: TrainLoader, batch_idx: int) -> None:
        generating, criticising = self.optimizers()
        for _ in range(self.schedule(self.counters["updates"])):
            real = self.real(source)
            value = self.critic(self.fake(len(real)).detach()).mean() - self.critic(real).mean()
            criticising.zero_grad()
            self.manual_backward(value)
            criticising.step()
            self.count(discriminator_updates=1)
        loss = -self.critic(self.fake(BATCH)).mean()
        generating.zero_grad()
        self.manual_backward(loss)
        generating.step()
        self.counted_loss(loss)


class Averaging(Drawing):
    """Automatic optimization: one update on the mean loss of k fresh batches."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-2)

    def training_step(self, source: TrainLoader, batch_idx: int) -> Tensor:
        losses = []
        for _ in range(self.schedule(self.counters["updates"])):
            real = self.real(source)
            parameters = self.generator(self.noise(len(real)))
            losses.append((parameters - real).square().mean())
        return self.counted_loss(torch.stack(losses).mean())


# -- training them -------------------------------------------------------------------------------


class Run:
    """A run in a folder, as `partimento.train` makes one; made again, it goes on."""

    def __init__(
        self, folder: Path, kind: type[Drawing], schedule: Schedule, **options: Any
    ) -> None:
        self.folder = RunFolder(folder)
        resuming = self.folder.last.exists()
        # What the checkpoint does not bring must not be right by chance.
        torch.manual_seed(99 if resuming else 0)
        representation = Placed()
        self.model = kind(representation, schedule)
        self.model.seed = SEED
        self.data = MusicDataModule(
            Few(),
            representation,
            DataConfig(transpose=False, stride=1, eval_stride=1),
            batch_size=BATCH,
            seed=SEED,
            limit=options.pop("limit", None),
        )
        epochs = options.pop("epochs", EPOCHS)
        self.checkpointing = Checkpointing(
            self.folder, per_epoch=self.data.batches_per_epoch(), **options
        )
        self.trainer = Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            callbacks=[self.checkpointing],
            plugins=[AtomicCheckpointIO()],
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        self.resumed = self.folder.last if resuming else None

    def fit(self) -> Drawing:
        with quiet_lightning():
            self.trainer.fit(
                self.model,
                self.data,
                ckpt_path=self.resumed,
                weights_only=True if self.resumed else None,
            )
        return self.model

    def last(self) -> dict[str, Any]:
        return torch.load(self.folder.last, weights_only=True)
