"""Samples through training: what the model makes of the same held-out music, seen and heard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt
from pytorch_lightning import Callback

from partimento.data.batch import Batch
from partimento.generation.strategies import Strategy
from partimento.reports.audio import write_wav
from partimento.reports.pianoroll import draw_sheet
from partimento.reports.points import draw_points
from partimento.reports.score import write_midi
from partimento.representations.base import Representation
from partimento.seeds import generator

CLOUD = 250
"""Points of the plane that make one sample."""


class Samples(Callback):
    """Draws, plays and logs samples after every n-th validation.

    The examples that give a harmoniser its voices are the first of the validation split, and the
    random stream is keyed by the seed alone, so that epochs can be compared.

    Args:
        folder: The run folder; files go to `samples/`.
        representation: Decodes samples to music.
        strategy: How samples are generated.
        seed: Seed of the run.
        every: Epochs between samples.
        count: Number of samples. Of points, which say nothing one by one, a sample is a cloud of
            `CLOUD`.
    """

    def __init__(
        self,
        folder: str | Path,
        representation: Representation,
        strategy: Strategy,
        seed: int = 0,
        *,
        every: Annotated[int, Gt(0)] = 10,
        count: Annotated[int, Gt(0)] = 4,
    ) -> None:
        self.folder = Path(folder) / "samples"
        self.representation = representation
        self.strategy = strategy
        self.seed = seed
        self.every = every
        self.count = count

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if (trainer.current_epoch + 1) % self.every or not trainer.is_global_zero:
            return
        self.sample(trainer, pl_module, f"epoch-{trainer.current_epoch + 1:04d}")

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        """Sample once more with the weights that are tested, the best ones."""
        if trainer.is_global_zero:
            self.sample(trainer, pl_module, "final")

    def sample(self, trainer: Any, model: Any, stem: str) -> None:
        """Write the picture, MIDI and sound of the samples and hand them to the loggers.

        A model with averaged weights is sampled with these and with its latest ones, in files that
        end in `-ema` and `-raw`.
        """
        points = self.representation.content == "points"
        count = self.count * CLOUD if points else self.count
        batch: Batch = trainer.datamodule.examples("valid")[slice(0, count)]
        self.folder.mkdir(parents=True, exist_ok=True)
        files: dict[str, Path] = {}
        # What averaging does is seen only beside the latest weights.
        averaged = getattr(model, "generator_ema", None) is not None
        for weights in ("ema", "raw") if averaged else (None,):
            x = self.strategy.generate(
                model,
                n=min(count, len(batch)),
                given=model.given_of(batch),
                condition=batch.condition,
                lengths=batch.lengths,
                weights=weights,
                generator=generator(self.seed, "diagnostics", device=model.device),
            )
            name = f"{stem}-{weights}" if weights else stem
            made = self._points if points else self._music
            written = made(trainer, x.cpu().numpy(), batch, name)
            files |= {f"{k}_{weights}" if weights else k: path for k, path in written.items()}
        for logger in trainer.loggers:
            if hasattr(logger, "log_files"):
                logger.log_files(files, model.axes())

    def _points(self, trainer: Any, x: np.ndarray, batch: Batch, stem: str) -> dict[str, Path]:
        """Write a picture of the cloud among real points and the modes."""
        centres = getattr(trainer.datamodule.dataset.oracle, "centres", None)
        path = self.folder / f"{stem}.png"
        draw_points(x, path, real=batch.x.cpu().numpy(), centres=centres)
        return {"samples/points": path}

    def _music(self, trainer: Any, x: np.ndarray, batch: Batch, stem: str) -> dict[str, Path]:
        """Write a picture of all samples, and MIDI and sound of the first."""
        ends = [x.shape[1]] * len(x) if batch.lengths is None else batch.lengths.tolist()
        pieces = [
            self.representation.decode(example[:end]) for example, end in zip(x, ends, strict=True)
        ]
        files = {
            "samples/pianoroll": self.folder / f"{stem}.png",
            "samples/audio": self.folder / f"{stem}.wav",
            "samples/midi": self.folder / f"{stem}.mid",
        }
        draw_sheet(pieces, files["samples/pianoroll"])
        write_wav(pieces[0], files["samples/audio"])
        write_midi(pieces[0], files["samples/midi"])
        return files
