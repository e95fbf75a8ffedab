"""Watches the two players of an adversarial game: the discriminator's health, and both spectra."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from annotated_types import Ge
from pytorch_lightning import Callback
from torch import Tensor, nn

from partimento.data.batch import Batch
from partimento.errors import UserError
from partimento.metrics.discriminator import discriminator_health, gradient_norms
from partimento.metrics.latent_dependence import latent_dependence
from partimento.metrics.latent_probe import latent_probe, moved_codes, sensitivities
from partimento.metrics.spectra import layer_spectra, participation_ratio, resting
from partimento.models.adversarial import Adversarial
from partimento.models.latent import draw_latent
from partimento.models.relaxation import Relaxation
from partimento.models.techniques import packed, packed_each
from partimento.seeds import generator, stream_seed

PLACE = 3
"""Of this watch among the random streams of diagnostics."""


class DiscriminatorWatch(Callback):
    """Logs how both players of an adversarial model stand, after each validation.

    - `disc/`: mean scores and accuracies on training, held-out and generated examples, measures of
      overfitting, mean squared gradients at reals and fakes (see `metrics.discriminator`), and the
      effective rank, stable rank and largest singular value of each layer (`metrics.spectra`).
    - `gen/`: the same of the generator's layers, how far samples move with their code
      (`local_sensitivity`), how much of it can be read off them (`latent_probe`), what share of
      the data's variance codes explain (`latent_spread`), and in how many directions samples vary
      (`participation_ratio`).

    Networks are in evaluation mode meanwhile, the generator with the weights that are trained, and
    examples without what techniques add to them. Samples whose dependence on codes is measured are
    relaxed and without noise. None of it is an alarm: a discriminator's accuracy does not detect a
    collapse. Training stays the same bit for bit.

    Args:
        seed: Seed of the run.
        count: Examples of each kind, at most.
    """

    def __init__(self, seed: int = 0, *, count: Annotated[int, Ge(8)] = 256) -> None:
        self.seed = seed
        self.count = count

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        if not isinstance(pl_module, Adversarial):
            raise UserError(
                "diagnostics=discriminator watches the two players of an adversarial model, and "
                f"{type(pl_module).__name__} has no discriminator: take model=gan, or other "
                "diagnostics."
            )

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.is_global_zero or trainer.sanity_checking:
            return
        splits = [trainer.datamodule.examples(split) for split in ("train", "valid")]
        train, held_out = (some(batch, self.count).to(pl_module.device) for batch in splits)
        pl_module.emit(self.values(pl_module, train, held_out))

    def values(self, model: Adversarial, train: Batch, held_out: Batch) -> dict[str, float]:
        """Return all values by name.

        Args:
            model: The model.
            train: Training examples, whose conditions the generated ones have too.
            held_out: Examples of the validation split.
        """
        updates = model.counters["updates"]
        devices = [model.device] if model.device.type == "cuda" else []
        draw = generator(self.seed, "diagnostics", updates, PLACE, model.device)
        with resting(model.generator, model.discriminator), torch.random.fork_rng(devices):
            # The noise of relaxed samples is drawn from the common stream.
            torch.manual_seed(stream_seed(self.seed, "diagnostics", updates, PLACE))
            found = {
                **_under("disc", judged(model, train, held_out, draw)),
                **_under("gen", dependence(model, train, draw)),
            }
        return {
            **found,
            **_under("disc", spectra(model.discriminator)),
            **_under("gen", spectra(model.generator)),
        }


def some(batch: Batch, count: int) -> Batch:
    """Return at most `count` examples, evenly from the whole."""
    rows = torch.linspace(0, len(batch) - 1, min(count, len(batch)), device=batch.x.device)
    return batch[rows.round().long()]


def judged(
    model: Adversarial, train: Batch, held_out: Batch, draw: torch.Generator
) -> dict[str, float]:
    """Return what the discriminator says of examples, and its gradients, by name."""
    conditions = [_conditions(model, batch) for batch in (train, held_out)]
    codes = draw_latent(len(train), model.latent, model.latent_kind, draw, model.device)
    with torch.no_grad():
        fake = model.fake(codes, conditions[0])
    shown = {
        "train": (model.distribution.features(train.x), conditions[0]),
        "held_out": (model.distribution.features(held_out.x), conditions[1]),
        "fake": (fake, conditions[0]),
    }
    scores, gradients = {}, {}
    for side, (features, condition) in shown.items():
        x, given = packed(features, model.pack), packed_each(condition, model.pack)

        def score(y: Tensor, given: Mapping[str, Tensor] = given) -> Tensor:
            return model.judge(y, given).scores

        with torch.no_grad():
            scores[side] = score(x)
        gradients[side] = float(gradient_norms(score, x).mean())
    health = discriminator_health(**scores, threshold=model.objective.threshold)
    real = gradients["train"]
    return {
        **health,
        "gradient_real": real,
        "gradient_held_out": gradients["held_out"],
        "gradient_fake": gradients["fake"],
        "gradient_ratio": gradients["fake"] / real if real else float("inf"),
    }


@torch.no_grad()
def dependence(model: Adversarial, real: Batch, draw: torch.Generator) -> dict[str, float]:
    """Return how much samples depend on their codes, and in how many ways they vary, by name."""
    condition = _conditions(model, real)
    soft = Relaxation(hard=False, noise=False)

    def made(codes: Tensor) -> Tensor:
        return soft(model.distribution, model.generator(codes, condition), 0).flatten(1)

    codes = draw_latent(len(real), model.latent, model.latent_kind, draw, model.device)
    others = moved_codes(codes, draw)
    samples = made(codes)
    depends = latent_dependence(samples.unsqueeze(1), model.distribution.features(real.x))
    return {
        "local_sensitivity": float(sensitivities(samples, made(others), codes, others).mean()),
        "latent_spread": float(depends["latent_spread"]),
        "latent_probe": latent_probe(codes, samples),
        "participation_ratio": participation_ratio(samples),
    }


def spectra(network: nn.Module) -> dict[str, float]:
    """Return the spectrum of each layer, as `effective_rank/LAYER` and so on."""
    return {
        f"{what}/{layer}": value
        for layer, spectrum in layer_spectra(network).items()
        for what, value in spectrum._asdict().items()
    }


def _conditions(model: Adversarial, batch: Batch) -> dict[str, Tensor]:
    return {name: d.features(batch.condition[name]) for name, d in model.conditions.items()}


def _under(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}/{name}": value for name, value in values.items()}
