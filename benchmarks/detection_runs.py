"""The runs of the study of detection: two worlds, recipes, planted causes of failure, seeds, models."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch

from partimento.distributions import Distribution
from partimento.losses import objectives
from partimento.losses.objectives import AdversarialObjective
from partimento.losses.penalties import R1, R2, GradientPenalty, Penalty
from partimento.models.adversarial import Adversarial
from partimento.models.implicit import ImplicitMaximumLikelihood
from partimento.models.unrolling import Unrolled
from partimento.networks import MLP, MLPDiscriminator
from partimento.networks.discriminator import AutoencoderDiscriminator
from partimento.seeds import seed_global

World = Literal["ring", "modes"]
WORLDS: tuple[World, ...] = ("ring", "modes")
"""Eight Gaussians on a ring, sigma 0.05, and 24 modes of synthetic chorales."""
SIGMA = 0.05
EVERY = 50
"""Generator updates between evaluations."""
COUNT = 256
"""Samples that the alarm sees."""
ORACLE = {"ring": 2000, "modes": 1000}
"""Other samples, from which the oracle says what is true."""
UPDATES = {"ring": 3000, "modes": 1200}
HOLD = 0.5
"""Share of the updates after which all learning rates fall, along a line, to 0."""
SEEDS = {"ring": range(5), "modes": range(4)}
BATCH = {"ring": 100, "modes": 64}
EPOCH = 60
"""Minibatches of an epoch of the chorales, a multiple of the iterations of a training step."""
HIDDEN = {"ring": (64, 64), "modes": (128, 128)}
LATENT = {"ring": 2, "modes": 32}
EMA = 0.99
FREEZE = {"ring": 1000, "modes": 500}
"""Generator update from which a discriminator is frozen, where that is planted."""


@dataclass(frozen=True)
class Recipe:
    """What a run is.

    Attributes:
        objective: What the players minimise; "imle" is no game.
        rate: Learning rate of the generator at the beginning.
        discriminator_rate: The discriminator's, where it is another.
        k: Discriminator updates per generator update.
        pack: Examples judged at once.
        spectral_norm: Whether the discriminator's weights are divided by their spectral norm.
        gradient_penalty: Weight of WGAN-GP's penalty; 0: none.
        r1_r2: Weight of R1 and R2; 0: none.
        unrolled: Discriminator updates that the generator's gradient looks ahead.
        pool: Codes per real example that IMLE chooses from.
        scale: Points are divided by it for all networks.
        latent: Size of a code, where it is another.
        hidden: Widths of the discriminator, where they are others.
        frozen: Whether the discriminator is frozen from `FREEZE` on.
        cause: What was planted; None: nothing.
    """

    objective: str
    rate: float
    discriminator_rate: float | None = None
    k: int = 1
    pack: int = 1
    spectral_norm: bool = False
    gradient_penalty: float = 0.0
    r1_r2: float = 0.0
    unrolled: int = 0
    pool: int = 2
    scale: float = 1.0
    latent: int | None = None
    hidden: tuple[int, ...] | None = None
    frozen: bool = False
    cause: str | None = None


_RING = {
    "non_saturating": Recipe("non_saturating", 3e-3),
    "lsgan": Recipe("least_squares", 3e-3),
    "wgan_gp_k3": Recipe("wasserstein", 3e-3, k=3, gradient_penalty=0.1),
    "imle2": Recipe("imle", 3e-3, pool=2),
    "hinge_sn": Recipe("hinge", 3e-3, spectral_norm=True, scale=0.1),
    "r3gan": Recipe("relativistic", 3e-3, r1_r2=0.1),
    "pacgan2": Recipe("non_saturating", 3e-3, pack=2),
    "non_saturating_k5": Recipe("non_saturating", 3e-3, k=5),
    "began": Recipe("began", 1e-3),
    "minimax": Recipe("minimax", 3e-3),
    "unrolled3": Recipe("non_saturating", 3e-3, unrolled=3),
    "imle10": Recipe("imle", 3e-3, pool=10),
}
_MODES = {
    "non_saturating": Recipe("non_saturating", 5e-4),
    "lsgan": Recipe("least_squares", 5e-4),
    "wgan_gp": Recipe("wasserstein", 2e-3, gradient_penalty=1.0),
    "imle2": Recipe("imle", 2e-3, pool=2),
    "hinge_sn": Recipe("hinge", 1e-3, spectral_norm=True),
    "r3gan": Recipe("relativistic", 2e-3, r1_r2=0.1),
    "pacgan2": Recipe("non_saturating", 1e-3, pack=2),
    "non_saturating_k2": Recipe("non_saturating", 5e-4, k=2),
    "imle5": Recipe("imle", 2e-3, pool=5),
}


def _planted(world: World, plain: dict[str, Recipe]) -> dict[str, Recipe]:
    """Return recipes with a known cause of failure; of each cause one for the slower world."""
    sides = plain["non_saturating"], plain["hinge_sn"]
    first, second = (
        replace(r, discriminator_rate=r.rate / 10, cause="slow discriminator") for r in sides
    )
    found = {
        "slow_discriminator_ns": first,
        "slow_discriminator_hinge": second,
        "frozen_ns": replace(sides[0], frozen=True, cause="frozen discriminator"),
        "frozen_pacgan2": replace(plain["pacgan2"], frozen=True, cause="frozen discriminator"),
        "tiny_discriminator_ns": replace(sides[0], hidden=(4,), cause="tiny discriminator"),
        "tiny_discriminator_r3gan": replace(
            plain["r3gan"], hidden=(4,), cause="tiny discriminator"
        ),
        "one_code_ns": replace(sides[0], latent=1, cause="code of one number"),
        "one_code_r3gan": replace(plain["r3gan"], latent=1, cause="code of one number"),
    }
    causes = (
        "slow_discriminator_ns",
        "frozen_pacgan2",
        "tiny_discriminator_r3gan",
        "one_code_r3gan",
    )
    return found if world == "ring" else {name: found[name] for name in causes}


RECIPES: dict[World, dict[str, Recipe]] = {
    "ring": {**_RING, **_planted("ring", _RING)},
    "modes": {**_MODES, **_planted("modes", _MODES)},
}


LOOP_RECIPES: dict[str, Recipe] = {
    "slow_discriminator_ns": RECIPES["ring"]["slow_discriminator_ns"],
}
"""Runs of the closed loop."""


def seeds_of(world: World, recipe: Recipe) -> tuple[int, ...]:
    """Return the seeds that a recipe is run with; two where a cause is planted."""
    return tuple(SEEDS[world])[: 2 if recipe.cause else None]


def runs() -> list[tuple[World, str, int]]:
    """Return all runs: world, recipe, seed."""
    return [
        (world, name, seed)
        for world in WORLDS
        for name, recipe in RECIPES[world].items()
        for seed in seeds_of(world, recipe)
    ]


# -- the models ---------------------------------------------------------------------------------


def rate_factor(update: int, updates: int) -> float:
    """Return the share of the learning rates that is in force at a generator update."""
    return min(1.0, (updates - update) / (updates * (1 - HOLD)))


def _objective(recipe: Recipe) -> AdversarialObjective:
    if recipe.objective == "began":
        return objectives.Began(gamma=0.7, rate=0.01)
    if recipe.objective == "wasserstein":
        return objectives.Wasserstein(clip=None)
    kinds: dict[str, type[AdversarialObjective]] = {
        "non_saturating": objectives.NonSaturating,
        "minimax": objectives.Minimax,
        "least_squares": objectives.LeastSquares,
        "hinge": objectives.Hinge,
        "relativistic": objectives.Relativistic,
    }
    return kinds[recipe.objective]()


def _penalties(recipe: Recipe) -> dict[str, Penalty]:
    found: dict[str, Penalty] = {}
    if recipe.gradient_penalty:
        found["gradient"] = GradientPenalty(recipe.gradient_penalty)
    if recipe.r1_r2:
        found |= {"r1": R1(recipe.r1_r2), "r2": R2(recipe.r1_r2)}
    return found


def model_of(
    world: World, distribution: Distribution, recipe: Recipe, seed: int
) -> Adversarial | ImplicitMaximumLikelihood:
    """Return the untrained model of one seed, with the initial weights that a run gives it."""
    adam = partial(torch.optim.Adam, betas=(0.5, 0.9), fused=True)
    latent = recipe.latent or LATENT[world]
    generator = partial(MLP, hidden=HIDDEN[world])
    hidden = recipe.hidden or HIDDEN[world]
    seed_global(seed, "init")
    model: Adversarial | ImplicitMaximumLikelihood
    if recipe.objective == "imle":
        # An update is one of `EVERY`: matchings end where evaluations come.
        matched = 1 if world == "ring" else 5
        model = ImplicitMaximumLikelihood(
            distribution, generator=generator, optimizer=partial(adam, lr=recipe.rate),
            latent=latent, pool=recipe.pool, batches=matched, rematch=matched,
        )  # fmt: skip
    else:
        model = Adversarial(
            distribution,
            generator=generator,
            discriminator=partial(AutoencoderDiscriminator, hidden=hidden, code=1)
            if recipe.objective == "began"
            else partial(MLPDiscriminator, hidden=hidden, spectral_norm=recipe.spectral_norm),
            objective=_objective(recipe),
            penalties=_penalties(recipe),
            techniques={"unrolled": Unrolled(recipe.unrolled)} if recipe.unrolled else {},
            discriminator_steps={0: recipe.k, FREEZE[world]: 0} if recipe.frozen else recipe.k,
            generator_optimizer=partial(adam, lr=recipe.rate),
            discriminator_optimizer=partial(adam, lr=recipe.discriminator_rate or recipe.rate),
            latent=latent,
            pack=recipe.pack,
            ema=EMA,
        )
    model.seed = seed
    return model
