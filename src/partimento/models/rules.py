"""Which parts of an adversarial game go together, and the sentences for those that do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from partimento.errors import UserError
from partimento.losses.objectives import AdversarialObjective, Wasserstein
from partimento.losses.penalties import Dragan, GradientPenalty, Penalty
from partimento.networks.discriminator import MinibatchDiscrimination

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class Players(NamedTuple):
    """What the rules look at: the discriminator, what it serves, and how many examples it is shown."""

    objective: AdversarialObjective
    discriminator: nn.Module
    penalties: Mapping[str, Penalty]
    pack: int

    @property
    def objective_name(self) -> str:
        return type(self.objective).__name__

    @property
    def output(self) -> str:
        """Name what the discriminator gives: a score, unless it says otherwise."""
        return getattr(self.discriminator, "output", "score")

    def has(self, *kinds: type[nn.Module]) -> bool:
        """Whether a layer of the discriminator is of one of the kinds."""
        return any(isinstance(module, kinds) for module in self.discriminator.modules())


def served(players: Players) -> str | None:
    """An objective on scores needs scores, one on reconstruction errors an autoencoder."""
    if players.output == players.objective.output:
        return None
    return (
        f"model.objective={players.objective_name} needs a discriminator that gives a "
        f"{players.objective.output}, but {type(players.discriminator).__name__} gives a "
        f"{players.output}."
    )


def no_penalty_on_errors(players: Players) -> str | None:
    """Penalties bound the slope of a score; an autoencoder's error has its least value at the data.

    There its slope is 0, which contradicts a norm of 1, and BEGAN does without (Berthelot et al.
    2017, section 3.4: k_t keeps the balance).
    """
    if not players.penalties or players.output != "reconstruction":
        return None
    return (
        f"model.penalties.{next(iter(players.penalties))} bounds the slope of a score, but "
        f"{type(players.discriminator).__name__} gives a reconstruction error, whose balance is "
        "kept by k_t: leave penalties out."
    )


def no_pack_of_errors(players: Players) -> str | None:
    """A generator that lowers a joint reconstruction error is rewarded for packs of equal examples.

    PacGAN (Lin et al. 2018, section 2) counts on the opposite: a discriminator of scores that sees
    a lack of diversity in a pack.
    """
    if players.pack == 1 or players.output != "reconstruction":
        return None
    return (
        f"model.pack={players.pack} would reward collapse, since equal examples are the easiest to "
        f"reconstruct together: with {type(players.discriminator).__name__}, set model.pack=1."
    )


def own_gradients(players: Players) -> str | None:
    """A penalty on each score's gradient needs scores of single examples.

    Gulrajani et al. 2017, section 4, exclude what correlates the examples of a batch: batch
    normalisation, and by the same reasoning the sums of minibatch discrimination. The minibatch
    standard deviation is let through: one number per batch, with which Karras et al. 2018 and 2020
    train under exactly these penalties.
    """
    if not players.penalties:
        return None
    mixing = {
        "batch normalisation": (BATCH_NORMS, "use layer normalisation"),
        "minibatch discrimination": ((MinibatchDiscrimination,), "use standard_deviation"),
    }
    for name, (kinds, instead) in mixing.items():
        if players.has(*kinds):
            return (
                f"model.penalties.{next(iter(players.penalties))} takes the gradient of each score "
                f"by its own example, which {name} in the discriminator mixes: leave it out there, "
                f"or {instead}."
            )
    return None


def clipping_alone(players: Players) -> str | None:
    """Clipped weights, spectral norms and gradients of norm 1 are three ways to one bound.

    Gulrajani et al. 2017 and Miyato et al. 2018 put theirs in the place of clipping: weights of
    0.01 keep gradients far below 1, and normalised weights do not depend on the size of what is
    clipped.
    """
    objective = players.objective
    if not isinstance(objective, Wasserstein) or objective.clip is None:
        return None
    given = f"model.objective.clip={objective.clip}"
    for name, penalty in players.penalties.items():
        if isinstance(penalty, GradientPenalty | Dragan):
            return (
                f"{given} keeps gradients from the norm 1 that model.penalties.{name} asks for: "
                "set model.objective.clip=null."
            )
    if any(is_parametrized(module) for module in players.discriminator.modules()):
        return (
            f"{given} bounds weights that spectral normalisation divides by their size anyway: set "
            "model.objective.clip=null, or model.discriminator.spectral_norm=false."
        )
    return None


RULES: tuple[Callable[[Players], str | None], ...] = (
    served,
    no_penalty_on_errors,
    no_pack_of_errors,
    own_gradients,
    clipping_alone,
)
"""Each returns the sentence that refuses the players, or None; the first that refuses is told."""


def check_players(
    objective: AdversarialObjective,
    discriminator: nn.Module,
    penalties: Mapping[str, Penalty],
    pack: int = 1,
) -> None:
    """Refuse an objective, penalties or packs that the discriminator cannot serve.

    Raises:
        UserError: With the sentence that says why.
    """
    players = Players(objective, discriminator, penalties, pack)
    for rule in RULES:
        sentence = rule(players)
        if sentence is not None:
            raise UserError(sentence)
