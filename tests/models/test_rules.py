"""Rules of the game: what a discriminator cannot serve is refused, and nothing beside it."""

from __future__ import annotations

from functools import partial

import pytest
from torch import nn

from partimento.distributions import Normal
from partimento.errors import UserError
from partimento.losses import objectives, penalties
from partimento.models.adversarial import Adversarial
from partimento.networks import AutoencoderDiscriminator, MLPDiscriminator

POINTS = Normal((1, 2))
BATCH_NORM = partial(MLPDiscriminator, normalisation="batch")
CLOSENESS = partial(MLPDiscriminator, minibatch="discrimination")
SPREAD = partial(MLPDiscriminator, minibatch="standard_deviation")
SPECTRAL = partial(MLPDiscriminator, spectral_norm=True)
CLIPPED = objectives.Wasserstein(0.01)
ERRORS = {"objective": objectives.Began(), "discriminator": AutoencoderDiscriminator}


def synchronised(*shapes: object) -> nn.Module:
    """A discriminator with the batch normalisation of several processes."""
    network: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(BATCH_NORM(*shapes))
    return network


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {**ERRORS, "penalties": {"r1": penalties.R1()}},
            "model.penalties.r1 bounds the slope of a score, but AutoencoderDiscriminator gives a "
            "reconstruction error, whose balance is kept by k_t: leave penalties out.",
        ),
        (
            {**ERRORS, "pack": 3},
            "model.pack=3 would reward collapse, since equal examples are the easiest to "
            "reconstruct together: with AutoencoderDiscriminator, set model.pack=1.",
        ),
        *(
            (
                {"discriminator": made, "penalties": {"mine": kind()}},
                "model.penalties.mine takes the gradient of each score by its own example, which "
                f"{layer} in the discriminator mixes: leave it out there, or use {instead}.",
            )
            for made, layer, instead in (
                (BATCH_NORM, "batch normalisation", "layer normalisation"),
                (synchronised, "batch normalisation", "layer normalisation"),
                (CLOSENESS, "minibatch discrimination", "standard_deviation"),
            )
            for kind in (
                penalties.GradientPenalty,
                penalties.Dragan,
                penalties.R1,
                penalties.R2,
            )
        ),
        *(
            (
                {"objective": CLIPPED, "penalties": {"mine": kind()}},
                "model.objective.clip=0.01 keeps gradients from the norm 1 that "
                "model.penalties.mine asks for: set model.objective.clip=null.",
            )
            for kind in (penalties.GradientPenalty, penalties.Dragan)
        ),
        (
            {"objective": CLIPPED, "discriminator": SPECTRAL},
            "model.objective.clip=0.01 bounds weights that spectral normalisation divides by their "
            "size anyway: set model.objective.clip=null, or model.discriminator.spectral_norm=false.",
        ),
    ],
)
def test_what_is_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        Adversarial(POINTS, **options)  # type: ignore[arg-type]
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "options",
    [
        {"discriminator": BATCH_NORM},
        {"discriminator": BATCH_NORM, "objective": CLIPPED},
        {"discriminator": CLOSENESS, "pack": 2},
        {"discriminator": SPREAD, "penalties": {"r1": penalties.R1()}},
        {"discriminator": SPECTRAL, "objective": objectives.Wasserstein(None)},
        {"discriminator": SPECTRAL, "penalties": {"gradient": penalties.GradientPenalty()}},
        {"objective": CLIPPED, "penalties": {"r1": penalties.R1()}},
        {"pack": 2, "penalties": {"r1": penalties.R1(), "r2": penalties.R2()}},
    ],
)
def test_what_is_allowed(options: dict[str, object]) -> None:
    Adversarial(POINTS, **options)  # type: ignore[arg-type]
