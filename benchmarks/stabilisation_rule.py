"""The rule of the study of stabilisation: its methods, their settings, budgets, seeds and thresholds.

Committed before the study was run; see `stabilisation.py` for what is done with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from partimento.datasets.mixtures import Grid, Mixture, Ring
from partimento.distributions import Normal
from partimento.losses import objectives
from partimento.losses.objectives import AdversarialObjective
from partimento.losses.penalties import R1, R2, GradientPenalty, Penalty
from partimento.models.adversarial import Adversarial
from partimento.models.implicit import ImplicitMaximumLikelihood
from partimento.models.unrolling import Unrolled
from partimento.networks import MLP, MLPDiscriminator
from partimento.networks.discriminator import AutoencoderDiscriminator
from partimento.seeds import seed_global

DATASETS: dict[str, Callable[[], Mixture]] = {"ring": Ring, "grid": Grid}
SEEDS = {"ring": range(20), "grid": range(10)}
UPDATES = {"ring": 4000, "grid": 6000}
"""Generator updates of every method."""
HOLD = 0.5
"""Share of the updates after which all learning rates fall, along a line, to 0."""
MARKS = 10
"""Places of a trajectory that are judged, evenly spaced, beside that of equal evaluations."""
SAMPLES = 2500
"""Judged per seed and place, as in VEEGAN (Srivastava et al. 2017) and PacGAN (Lin et al. 2018)."""
WANTED = {"ring": 18, "grid": 9}
"""Seeds that must reach all modes for a method to be stable on a dataset."""
WANTED_QUALITY = {"ring": 0.80, "grid": 0.0}
"""Median share of high quality that they must have besides."""
WANTED_METHODS = {"ring": 3, "grid": 1}
"""Methods that are to be stable: the study's aim."""

BATCH = 100  # PacGAN's
HIDDEN = {"ring": (64, 64), "grid": (64, 64, 64)}
LATENT = 2  # PacGAN's
EMA = 0.99  # of the generator, for every method alike
BETAS = (0.5, 0.9)


@dataclass(frozen=True)
class Recipe:
    """What a method is, and its settings on one dataset; the defaults are common to all.

    Attributes:
        objective: What the players minimise; "imle" is no game.
        k: Discriminator updates per generator update.
        rate: Learning rate of both players at the beginning.
        discriminator_rate: The discriminator's, where it is another.
        betas: Adam's.
        pack: Examples judged at once.
        spectral_norm: Whether the discriminator's weights are divided by their spectral norm.
        gradient_penalty: Weight of WGAN-GP's penalty; 0: none.
        r1_r2: Weight of R1 and R2; 0: none.
        unrolled: Discriminator updates that the generator's gradient looks ahead.
        gamma: BEGAN's diversity ratio.
        balance_rate: BEGAN's step of the balance.
        code: Size of the code of BEGAN's autoencoder.
        pool: Codes per real example that IMLE chooses from.
        scale: Points are divided by it for all networks.
    """

    objective: str
    k: int = 1
    rate: float = 3e-3
    discriminator_rate: float | None = None
    betas: tuple[float, float] = BETAS
    pack: int = 1
    spectral_norm: bool = False
    gradient_penalty: float = 0.0
    r1_r2: float = 0.0
    unrolled: int = 0
    gamma: float = 0.7
    balance_rate: float = 0.01
    code: int = 16
    pool: int = 10
    scale: float = 1.0


RECIPES: dict[str, dict[str, Recipe]] = {
    "ring": {
        "non_saturating": Recipe("non_saturating"),
        "lsgan": Recipe("least_squares"),
        "pacgan2": Recipe("non_saturating", pack=2),
        "r3gan": Recipe("relativistic", r1_r2=0.1),
        "imle": Recipe("imle", pool=2),
        "hinge_sn": Recipe("hinge", spectral_norm=True, scale=0.1),
        "began": Recipe("began", rate=1e-3, code=1),
        "non_saturating_k5": Recipe("non_saturating", k=5),
        "wgan_gp_k5": Recipe("wasserstein", k=5, gradient_penalty=0.1),
        "unrolled5": Recipe("non_saturating", unrolled=5),
    },
    "grid": {
        "non_saturating": Recipe("non_saturating", rate=2e-3, scale=2),
        "lsgan": Recipe("least_squares", rate=2e-3, scale=2),
        "pacgan2": Recipe("non_saturating", pack=2, rate=2e-3, scale=2),
        "r3gan": Recipe("relativistic", r1_r2=0.1, rate=2e-3, scale=2),
        "imle": Recipe("imle", pool=2, rate=2e-3, scale=2),
        "hinge_sn": Recipe("hinge", spectral_norm=True, rate=2e-3, scale=0.2),
        "began": Recipe("began", rate=1e-3, code=1, scale=2),
        "non_saturating_k5": Recipe("non_saturating", k=5, rate=2e-3, scale=2),
        "wgan_gp_k5": Recipe("wasserstein", k=5, gradient_penalty=0.1, rate=2e-3, scale=2),
        "unrolled5": Recipe("non_saturating", unrolled=5, rate=2e-3, scale=2),
    },
}
"""Tuned on seeds 1000 to 1003, at most 4 a setting, with runs of 1,200 to 5,000 updates."""


def passes(recipe: Recipe) -> int:
    """Return what a generator update costs, its discriminator updates included.

    The unit is a forward pass of one network over one minibatch; a backward pass counts as two, so
    a gradient evaluation (forward and backward) is three. A discriminator update makes fakes
    (1) and goes forward and backward over them and over real examples (6); a gradient penalty adds
    the gradient by the input and its derivative, as much again per set of points (6). A generator
    update goes through both networks (6), in paired objectives also forward over real examples (1);
    each step looked ahead is a discriminator's forward and backward pass on both sets, and twice as
    much for the gradient that goes through it (18). IMLE has no discriminator: one pass forward and
    backward (3), and one forward per code of the pool; the search for neighbours is not counted.
    """
    if recipe.objective == "imle":
        return 3 + recipe.pool
    discriminator = 1 + 6 + 6 * (recipe.gradient_penalty > 0) + 12 * (recipe.r1_r2 > 0)
    paired = recipe.objective in ("relativistic", "began")
    return recipe.k * discriminator + 6 + paired + 18 * recipe.unrolled


def evaluations(dataset: str) -> int:
    """Return the budget of passes at which methods are compared: that of the plain game's run."""
    return UPDATES[dataset] * passes(RECIPES[dataset]["non_saturating"])


def updates_within(dataset: str, method: str) -> int:
    """Return the generator updates that a method has made when it has used up the evaluations."""
    return min(UPDATES[dataset], evaluations(dataset) // passes(RECIPES[dataset][method]))


def rate_factor(update: int, updates: int) -> float:
    """Return the share of the learning rates that is in force at a generator update."""
    return min(1.0, (updates - update) / (updates * (1 - HOLD)))


def _objective(recipe: Recipe) -> AdversarialObjective:
    if recipe.objective == "began":
        return objectives.Began(gamma=recipe.gamma, rate=recipe.balance_rate)
    if recipe.objective == "wasserstein":
        return objectives.Wasserstein(clip=None)
    kinds: dict[str, Callable[[], AdversarialObjective]] = {
        "non_saturating": objectives.NonSaturating,
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


def model_of(dataset: str, recipe: Recipe, seed: int) -> Adversarial | ImplicitMaximumLikelihood:
    """Return the untrained model of one seed, with the initial weights that a run gives it."""
    hidden = HIDDEN[dataset]
    adam = partial(torch.optim.Adam, betas=recipe.betas, fused=True)
    distribution = Normal((1, 2), scale=recipe.scale)
    generator = partial(MLP, hidden=hidden)
    seed_global(seed, "init")
    model: Adversarial | ImplicitMaximumLikelihood
    if recipe.objective == "imle":
        model = ImplicitMaximumLikelihood(
            distribution, generator=generator, optimizer=partial(adam, lr=recipe.rate),
            latent=LATENT, pool=recipe.pool, batches=1, rematch=1,
        )  # fmt: skip
    else:
        model = Adversarial(
            distribution,
            generator=generator,
            discriminator=partial(AutoencoderDiscriminator, hidden=hidden, code=recipe.code)
            if recipe.objective == "began"
            else partial(MLPDiscriminator, hidden=hidden, spectral_norm=recipe.spectral_norm),
            objective=_objective(recipe),
            penalties=_penalties(recipe),
            techniques={"unrolled": Unrolled(recipe.unrolled)} if recipe.unrolled else {},
            discriminator_steps=recipe.k,
            generator_optimizer=partial(adam, lr=recipe.rate),
            discriminator_optimizer=partial(adam, lr=recipe.discriminator_rate or recipe.rate),
            latent=LATENT,
            pack=recipe.pack,
            ema=EMA,
        )
    model.seed = seed
    return model
