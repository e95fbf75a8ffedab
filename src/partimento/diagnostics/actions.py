"""What may be done when the alarm is raised: opt-in, once each, and the same again after a resume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from partimento.diagnostics.samples import Samples
from partimento.errors import UserError
from partimento.losses.penalties import R1, R2
from partimento.models.adversarial import Adversarial
from partimento.models.rules import check_players
from partimento.models.schedules import in_force

ActionName = Literal["checkpoint", "samples", "raise_discriminator_steps", "r1_r2", "stop"]
LASTING: tuple[ActionName, ...] = ("raise_discriminator_steps", "r1_r2")
"""Actions that change how a model is trained from then on."""
COLLAPSE_R1, COLLAPSE_R2 = "collapse_r1", "collapse_r2"


def raise_discriminator_steps(model: Adversarial, steps: int) -> None:
    """Let the discriminator have at least `steps` updates per iteration from now on (k, n_critic)."""
    now = in_force(model.discriminator_steps, model.counters["iterations"])
    model.discriminator_steps = max(steps, now)


def add_r1_r2(model: Adversarial, gamma: float) -> None:
    """Add the penalties R1 and R2 to the discriminator's loss from now on.

    Mescheder et al. 2018, equations 9 and 10; together they are what keeps the modes of R3GAN
    (Huang et al. 2024, section 3). A second call changes nothing.

    Args:
        model: The adversarial model.
        gamma: Weight of each, which goes with the scale of the data: 0.1 for points of a plane.

    Raises:
        UserError: When the discriminator or the objective does not go with them.
    """
    wanted = {**model.penalties, COLLAPSE_R1: R1(gamma), COLLAPSE_R2: R2(gamma)}
    check_players(model.objective, model.discriminator, wanted, model.pack)
    model.penalties = wanted


class Actions:
    """The actions of a run, which of them were done, and when.

    Packing (PacGAN) is not among them: a packed discriminator reads several examples at once, so it
    would be another network, with weights that neither a resumed run nor `generate`, which build
    the model that the config says, could read from the checkpoint. Set `model.pack` and begin anew.

    Args:
        names: What to do when the state becomes critical.
        folder: The run folder.
        steps: Updates of the discriminator per iteration that `raise_discriminator_steps` gives.
        gamma: Weight of the penalties that `r1_r2` adds.
        samples: Draws the samples of `samples`.
    """

    def __init__(
        self,
        names: Sequence[ActionName],
        folder: Path,
        *,
        steps: int = 5,
        gamma: float = 0.1,
        samples: Samples | None = None,
    ) -> None:
        self.names = tuple(names)
        self.folder = folder
        self.steps = steps
        self.gamma = gamma
        self.samples = samples
        self.done: dict[str, int] = {}

    def prepare(self, trainer: Any, model: Any) -> None:
        """Refuse what cannot be done, and do again what was done before a resume.

        Raises:
            UserError: When an action does not go with the model or with several processes.
        """
        for name in [name for name in self.names if name in LASTING]:
            if not isinstance(model, Adversarial):
                raise UserError(
                    f"The action {name} changes a discriminator, and {type(model).__name__} has "
                    "none: leave it out of diagnostics.mode_collapse.actions."
                )
        if trainer.world_size > 1 and {*LASTING, "stop"} & {*self.names}:
            raise UserError(
                "Actions that change training are taken in one process alone: leave them out of "
                "diagnostics.mode_collapse.actions, or set accelerator.devices=1."
            )
        if "r1_r2" in self.names:
            before = model.penalties
            add_r1_r2(model, self.gamma)
            model.penalties = before
        for name in [name for name in self.done if name in LASTING]:
            self._change(name, model)

    def take(self, trainer: Any, model: Any) -> list[ActionName]:
        """Do what has not been done yet; return its names."""
        update = model.counters["updates"]
        new = [name for name in self.names if name not in self.done]
        for name in new:
            self.done[name] = update
            if name in LASTING:
                self._change(name, model)
            elif name == "checkpoint":
                path = self.folder / "checkpoints" / f"collapse-{update:06d}.ckpt"
                trainer.save_checkpoint(path, weights_only=True)
            elif name == "samples" and self.samples is not None:
                self.samples.sample(trainer, model, f"collapse-{update:06d}")
            elif name == "stop":
                trainer.should_stop = True
        return new

    def _change(self, name: str, model: Adversarial) -> None:
        if name == "raise_discriminator_steps":
            raise_discriminator_steps(model, self.steps)
        else:
            add_r1_r2(model, self.gamma)
