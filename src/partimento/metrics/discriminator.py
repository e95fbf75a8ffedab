"""The health of a discriminator: what it says of examples it saw, of unseen ones, and of fakes.

None of it detects a collapse. It tells why one happened, and when a discriminator has learnt its
examples by heart.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from partimento.metrics.comparison import Gathered

SIDES = ("train", "held_out", "fake")


def discriminator_health(
    train: Tensor, held_out: Tensor, fake: Tensor, threshold: float | None = 0.0
) -> dict[str, float]:
    """Return accuracies, mean scores and measures of overfitting, by name.

    - `score_SIDE`: mean score; `accuracy_SIDE`: share of scores on the right side of the threshold.
    - `overfitting_r_t`: E sign(D(train) - threshold), which Karras et al., "Training Generative
      Adversarial Networks with Limited Data", NeurIPS 2020, section 3.1, hold at 0.6.
    - `overfitting_r_v`: (E D(train) - E D(held out)) / (E D(train) - E D(fake)), there too: 0
      where unseen examples are judged as those trained on, 1 where they are judged as fakes.

    Args:
        train: Scores of training examples `(n,)`.
        held_out: Scores of real examples not trained on `(m,)`.
        fake: Scores of generated ones `(k,)`.
        threshold: Score above which an example is said to be real; None where a score has no such
            sense, as a Wasserstein critic's, and there is no accuracy.
    """
    scores = dict(zip(SIDES, (train.double(), held_out.double(), fake.double()), strict=True))
    means = {side: float(score.mean()) for side, score in scores.items()}
    found = {f"score_{side}": mean for side, mean in means.items()}
    if threshold is not None:
        for side, score in scores.items():
            right = score <= threshold if side == "fake" else score > threshold
            found[f"accuracy_{side}"] = float(right.double().mean())
        found["overfitting_r_t"] = float((scores["train"] - threshold).sign().mean())
    apart = means["train"] - means["fake"]
    over = means["train"] - means["held_out"]
    found["overfitting_r_v"] = over / apart if apart else math.nan
    return found


def gradient_norms(scores: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return |grad D(x)|^2 of each example with respect to itself, `(n,)`.

    On reals and fakes they stay alike under R1 and R2; that on fakes explodes when training
    diverges (Huang et al., "The GAN is dead; long live the GAN!", NeurIPS 2024). The sum of the
    scores has them as long as no score depends on another's example, so look in evaluation mode.

    Args:
        scores: The discriminator as a function from features `(n, ...)` to scores `(n,)`.
        x: Features of examples.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(scores(x).sum(), x)
    return gradient.flatten(1).double().square().sum(dim=1)


class DiscriminatorHealth(Gathered):
    """`discriminator_health` over batches and processes.

    With gradients, `gradient_real`, `gradient_fake` (means of |grad D|^2) and `gradient_ratio`,
    fake over real, are there too.

    Args:
        threshold: Score above which an example is said to be real; None: scores have no such sense.
    """

    SIDES = ("trained", "held_out", "fake")

    trained: list[Tensor]
    held_out: list[Tensor]
    fake: list[Tensor]

    gradients: Tensor

    def __init__(self, threshold: float | None = 0.0) -> None:
        super().__init__()
        self.threshold = threshold
        # Of reals and fakes: sum of squared norms, and number.
        zeros = torch.zeros(2, 2, dtype=torch.float64)
        self.add_state("gradients", zeros, dist_reduce_fx="sum")

    def update(self, scores: Tensor, side: str) -> None:
        """Add scores `(n,)` of one side: "trained", "held_out" or "fake".

        Raises:
            ValueError: When there is no such side.
        """
        if side not in self.SIDES:
            raise ValueError(f"sides are {', '.join(self.SIDES)}, not {side!r}")
        self.gather(scores.reshape(-1, 1), side)

    def update_gradients(self, norms: Tensor, real: bool) -> None:
        """Add squared norms of `gradient_norms` at real or at generated examples."""
        row = self.gradients[0 if real else 1]
        row += torch.stack([norms.sum(), norms.new_tensor(len(norms))]).to(row)

    def values_of(self, *sides: Tensor) -> dict[str, float]:
        train, held_out, fake = (side[:, 0] for side in sides)
        found = discriminator_health(train, held_out, fake, self.threshold)
        totals, counts = self.gradients.T.tolist()
        if all(counts):
            real, fake = totals[0] / counts[0], totals[1] / counts[1]
            found |= {
                "gradient_real": real,
                "gradient_fake": fake,
                "gradient_ratio": fake / real if real else math.inf,
            }
        return found
