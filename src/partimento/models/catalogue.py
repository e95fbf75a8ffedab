"""The adversarial objectives and the techniques that go with them: sources, and what to type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Objective:
    """What the players minimise: a row of the table.

    Attributes:
        name: As the table calls it.
        does: What it is, in half a sentence.
        source: Where it comes from.
        overrides: What to type for it, after `model=gan`.
        penalties: Names of the penalties that it brings.
    """

    name: str
    does: str
    source: str
    overrides: tuple[str, ...]
    penalties: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stabilisation:
    """What may be added to an objective: a column of the table.

    Attributes:
        name: As the table calls it.
        does: What it does, in half a sentence.
        source: Where it comes from.
        overrides: What to type for it; `{penalty}` stands for each of the objective's penalties, or
            for `r1` where there is none.
        changes: What differs in training: a gradient, or only the averaged weights.
    """

    name: str
    does: str
    source: str
    overrides: tuple[str, ...]
    changes: Literal["gradient", "average"] = "gradient"

    def beside(self, objective: Objective) -> list[str]:
        """Return the overrides that turn it on beside an objective."""
        found = []
        for text in self.overrides:
            names = (objective.penalties or ("r1",)) if "{penalty}" in text else ("",)
            found += [text.replace("{penalty}", name) for name in names]
        return found


OBJECTIVES = (
    Objective(
        "minimax",
        "binary cross-entropy, the generator minimises log(1 - D(G(z))), which saturates",
        "Goodfellow et al. 2014, algorithm 1",
        ("model/objective=minimax",),
    ),
    Objective(
        "non-saturating",
        "binary cross-entropy, the generator minimises -log D(G(z))",
        "Goodfellow et al. 2014, section 3",
        ("model/objective=non_saturating",),
    ),
    Objective(
        "least squares",
        "squared distances of scores to 1 and 0",
        "LSGAN, Mao et al. 2017",
        ("model/objective=least_squares",),
    ),
    Objective(
        "hinge",
        "scores are compared with the margins 1 and -1",
        "Lim & Ye 2017; Miyato et al. 2018",
        ("model/objective=hinge",),
    ),
    Objective(
        "wasserstein",
        "the difference of mean scores, under clipped weights",
        "WGAN, Arjovsky et al. 2017",
        ("model/objective=wasserstein",),
    ),
    Objective(
        "wasserstein_gp",
        "the difference of mean scores, under gradients of norm 1 between real and fake",
        "WGAN-GP, Gulrajani et al. 2017",
        ("model/objective=wasserstein_gp",),
        ("gradient",),
    ),
    Objective(
        "dragan",
        "non-saturating, under gradients of norm 1 around the data",
        "Kodali et al. 2017",
        ("model/objective=dragan",),
        ("dragan",),
    ),
    Objective(
        "r1",
        "non-saturating, under gradients of norm 0 at the data",
        "Mescheder et al. 2018, equation 9",
        ("model/objective=r1",),
        ("r1",),
    ),
    Objective(
        "r2",
        "non-saturating, under gradients of norm 0 at the generator's examples",
        "Mescheder et al. 2018, equation 10",
        ("model/objective=r2",),
        ("r2",),
    ),
    Objective(
        "relativistic",
        "pairs of a real and a fake score",
        "Jolicoeur-Martineau 2018",
        ("model/objective=relativistic",),
    ),
    Objective(
        "r3gan",
        "relativistic, under R1 and R2",
        "Huang et al. 2024",
        ("model/objective=r3gan",),
        ("r1", "r2"),
    ),
    Objective(
        "began",
        "the discriminator is an autoencoder; k_t balances the two reconstruction errors",
        "Berthelot et al. 2017",
        ("model/objective=began", "model/discriminator=autoencoder"),
    ),
)

STABILISATIONS = (
    Stabilisation(
        "spectral norm",
        "divides each weight matrix of the discriminator by its largest singular value",
        "Miyato et al. 2018",
        ("model.discriminator.spectral_norm=true",),
    ),
    Stabilisation(
        "PacGAN",
        "shows the discriminator several examples of one kind at once (here 2)",
        "Lin et al. 2018",
        ("model.pack=2",),
    ),
    Stabilisation(
        "minibatch discrimination",
        "tells the score how close an example is to the others of its batch",
        "Salimans et al. 2016, section 3.2",
        ("model.discriminator.minibatch=discrimination",),
    ),
    Stabilisation(
        "minibatch standard deviation",
        "tells the score how much the features of the batch vary",
        "Karras et al. 2018, section 3",
        ("model.discriminator.minibatch=standard_deviation",),
    ),
    Stabilisation(
        "feature matching",
        "draws the mean features of fakes to those of real examples",
        "Salimans et al. 2016, section 3.1",
        ("model/techniques=feature_matching",),
    ),
    Stabilisation(
        "label smoothing",
        "trains the discriminator towards 0.9 in place of 1 on real examples",
        "Salimans et al. 2016, section 3.4",
        ("model.objective.real_label=0.9",),
    ),
    Stabilisation(
        "instance noise",
        "adds noise, which fades out, to what the discriminator sees",
        "Sønderby et al. 2017, section 3.4",
        ("model/techniques=instance_noise",),
    ),
    Stabilisation(
        "two time scales",
        "gives the discriminator another learning rate than the generator",
        "Heusel et al. 2017",
        ("model.generator_optimizer.lr=1.0e-4", "model.discriminator_optimizer.lr=4.0e-4"),
    ),
    Stabilisation(
        "mode seeking",
        "makes unlike codes give unlike examples",
        "Mao et al. 2019",
        ("model/techniques=mode_seeking",),
    ),
    Stabilisation(
        "unrolling",
        "lets the generator answer the discriminator of 5 steps later",
        "Metz et al. 2017",
        ("model/techniques=unrolled",),
    ),
    Stabilisation(
        "freezing",
        "lets a player pause while its loss is below 0.7 of the other's",
        "C-RNN-GAN, Mogren 2016",
        ("model/techniques=freezing",),
    ),
    Stabilisation(
        "lazy regularisation",
        "computes the penalty at every 16th update only, with 16 times its weight",
        "Karras et al. 2020, section 3.1",
        ("model.penalties.{penalty}.every=16",),
    ),
    Stabilisation(
        "batch norm",
        "normalises the discriminator's hidden units over the batch",
        "Ioffe & Szegedy 2015; Radford et al. 2016",
        ("model.discriminator.normalisation=batch",),
    ),
    Stabilisation(
        "layer norm",
        "normalises the discriminator's hidden units within each example",
        "Ba et al. 2016; Gulrajani et al. 2017, section 4",
        ("model.discriminator.normalisation=layer",),
    ),
    Stabilisation(
        "EMA",
        "samples from a running mean of the generator's weights; training is unchanged",
        "Yazıcı et al. 2019",
        ("model.ema=0.999",),
        changes="average",
    ),
)
