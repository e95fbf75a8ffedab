"""A film of training: what the same codes give after every epoch, picture by picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt
from pytorch_lightning import Callback
from torch import Tensor

from partimento.data.batch import Batch
from partimento.diagnostics.samples import CLOUD
from partimento.generation.latent import write_codes
from partimento.generation.strategies import Strategy
from partimento.models.latent import Generative, draw_latent
from partimento.reports.film import span_of, write_gif
from partimento.reports.pianoroll import draw_sheet
from partimento.reports.points import draw_points
from partimento.representations.base import Representation
from partimento.seeds import generator

BANK, NOISE = 1, 2
"""Places of the film's random streams, beside that of `Samples`."""


class Film(Callback):
    """Draws what one bank of codes gives, before training and after every n-th validation.

    The bank follows from the seed alone, in a stream of its own: a resumed run goes on with the
    same, and training draws what it would without the film. The noise of models that draw their
    samples is the same in every frame, and so are conditions and given voices, which are those of
    the first examples of the validation split. A model without codes is filmed by these alone.

    Frames are `samples/film/epoch-0010.png` in the run folder, the bank is `codes.npy` beside them,
    and at the end `film.gif` plays all frames. Loggers get every frame under one name.

    Args:
        folder: The run folder.
        representation: Decodes samples to music.
        strategy: How samples are generated.
        seed: Seed of the run.
        every: Epochs from one frame to the next.
        count: Number of codes. Of points, which say nothing one by one, each stands for `CLOUD`.
        seconds: How long the film shows a frame.
    """

    def __init__(
        self,
        folder: str | Path,
        representation: Representation,
        strategy: Strategy,
        seed: int = 0,
        *,
        every: Annotated[int, Gt(0)] = 1,
        count: Annotated[int, Gt(0)] = 8,
        seconds: Annotated[float, Gt(0)] = 0.5,
    ) -> None:
        self.folder = Path(folder) / "samples" / "film"
        self.representation = representation
        self.strategy = strategy
        self.seed = seed
        self.every = every
        self.count = count
        self.seconds = seconds

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin with what the untrained weights make."""
        if trainer.is_global_zero and pl_module.counters["updates"] == 0:
            for stale in self.folder.glob("epoch-*.png"):  # of a run that left no checkpoint
                stale.unlink()
            self.expose(trainer, pl_module, 0)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        epoch = trainer.current_epoch + 1
        if epoch % self.every == 0 and trainer.is_global_zero:
            self.expose(trainer, pl_module, epoch)

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Play all frames in turn, those from before an interruption too."""
        frames = sorted(self.folder.glob("epoch-*.png"))
        if trainer.is_global_zero and frames:
            film = write_gif(frames, self.folder / "film.gif", seconds=self.seconds)
            self._log(trainer, pl_module, {"samples/film.gif": film})

    def bank(self, model: Any, count: int) -> Tensor | None:
        """Return the codes `(count, latent)` of the film, the same on every device and every day."""
        if not isinstance(model, Generative):
            return None
        stream = generator(self.seed, "diagnostics", BANK)
        return draw_latent(count, model.latent, model.latent_kind, stream)

    def expose(self, trainer: Any, model: Any, epoch: int) -> None:
        """Write the picture after an epoch and hand it to the loggers."""
        points = self.representation.content == "points"
        count = self.count * CLOUD if points else self.count
        batch: Batch = trainer.datamodule.examples("valid")[slice(0, count)]
        given = model.given_of(batch)
        if given is not None or model.conditions or not isinstance(model, Generative):
            count = len(batch)
        codes = self.bank(model, count)
        x = self.strategy.generate(
            model,
            n=count,
            z=codes,
            given=given,
            condition=batch.condition if model.conditions else None,
            lengths=batch.lengths,
            generator=generator(self.seed, "diagnostics", NOISE, device=model.device),
        )
        if codes is not None:
            write_codes(codes, self.folder / "codes.npy")
        path = self.folder / f"epoch-{epoch:04d}.png"
        title = f"epoch {epoch}, {model.counters['updates']:,} updates"
        if points:
            self._draw_plane(trainer, batch, x, path, title)
        else:
            self._draw_music(x.cpu().numpy(), batch.lengths, path, title)
        self._log(trainer, model, {"samples/film": path})

    def _draw_plane(self, trainer: Any, batch: Batch, x: Tensor, path: Path, title: str) -> None:
        centres = getattr(trainer.datamodule.dataset.oracle, "centres", None)
        real = batch.x.cpu().numpy()
        draw_points(x.cpu().numpy(), path, real=real, centres=centres, title=title, dpi=80)

    def _draw_music(self, x: np.ndarray, lengths: Tensor | None, path: Path, title: str) -> None:
        ends = [x.shape[1]] * len(x) if lengths is None else lengths.tolist()
        pieces = [
            self.representation.decode(example[:end]) for example, end in zip(x, ends, strict=True)
        ]
        draw_sheet(
            pieces,
            path,
            titles=[f"{number}" for number in range(1, len(pieces) + 1)],
            heading=title,
            columns=4,
            quarters=16,
            span=span_of(self.representation),
            dpi=80,
        )

    def _log(self, trainer: Any, model: Any, files: dict[str, Path]) -> None:
        for logger in trainer.loggers:
            if hasattr(logger, "log_files"):
                logger.log_files(files, model.axes())
