"""Adversarial training: Goodfellow's algorithm with k discriminator updates, open in every part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn
from torchmetrics import Metric

from partimento.data.batch import Batch, Given
from partimento.data.loader import TrainLoader
from partimento.distributions import Distribution
from partimento.losses.objectives import AdversarialObjective, NonSaturating
from partimento.losses.penalties import Penalty
from partimento.models.averaging import averaged_copy, chosen, move_average
from partimento.models.base import Evaluation, Model, OptimizerFactory
from partimento.models.divergence import refuse_infinite
from partimento.models.latent import Kind, check_fixed_length, draw_latent, sample_generator
from partimento.models.pretraining import Pretraining
from partimento.models.relaxation import Relaxation, full
from partimento.models.rules import check_players
from partimento.models.schedules import Steps, check_turns, in_force
from partimento.models.scoreboard import Player, Scoreboard
from partimento.models.techniques import Game, Scored, Technique, packed, packed_each, packed_shape
from partimento.networks import MLP, MLPDiscriminator
from partimento.seeds import stream_seed


class Adversarial(Model):
    """GAN(generator, discriminator): Goodfellow et al. 2014, algorithm 1, and what grew from it.

    One iteration is `discriminator_steps` (k, n_critic) updates of the discriminator, each on a
    fresh minibatch of real examples and fresh codes, with the generator detached, then
    `generator_steps` updates of the generator, each on fresh codes. What the generator's loss needs
    of real examples is the last minibatch that the discriminator saw.

    While one player is updated no parameter of the other moves. Buffers may: batch-norm statistics
    of either network in the other's updates too, since both judge and make in training mode, and
    the vectors of spectral normalisation in the generator's.

    | tensor | shape                                  |
    |--------|----------------------------------------|
    | z      | `(batch, latent)`                      |
    | fake   | `(batch, *distribution.feature_shape)` |
    | score  | `(batch,)`                             |

    Args:
        distribution: Meaning of `x`.
        conditions: Meanings of the conditions, which both networks are given.
        metrics: Unused: a GAN predicts no given example.
        generator: Makes the network from `((latent,), parameter_shape, condition_shapes)`.
        discriminator: Makes the network from `(feature_shape, condition_shapes)`; it returns
            scores and features.
        objective: What the players minimise.
        penalties: Penalties of the discriminator, by name.
        techniques: Stabilisation techniques, by name.
        relaxation: How discrete music gets gradients.
        pretraining: What the generator learns before the game; None: nothing.
        discriminator_steps: Updates of the discriminator per iteration, or a schedule
            `{iteration: number}`; 0 freezes it.
        generator_steps: The same for the generator.
        generator_optimizer: Makes the generator's optimizer.
        discriminator_optimizer: Makes the discriminator's; another rate than the generator's is the
            two time-scale rule (Heusel et al. 2017).
        latent: Size of a code.
        latent_kind: Distribution of codes.
        pack: Examples of one kind that are judged at once (PacGAN, Lin et al. 2018).
        ema: Decay per update of the generator's averaged weights; None keeps none.
    """

    COUNTERS: ClassVar[tuple[str, ...]] = (
        *Model.COUNTERS,
        "discriminator_updates",
        "iterations",
        "attempts",  # updates of either player, frozen ones included: the place of random streams
    )
    MONITOR: ClassVar[str | None] = None
    RATE: ClassVar[str] = "model.generator_optimizer.lr"
    draws = True
    takes_turns = True

    def __init__(
        self,
        distribution: Distribution,
        conditions: Mapping[str, Distribution] | None = None,
        metrics: Mapping[str, Metric] | None = None,
        *,
        generator: Callable[..., nn.Module] = MLP,
        discriminator: Callable[..., nn.Module] = MLPDiscriminator,
        objective: AdversarialObjective | None = None,
        penalties: Mapping[str, Penalty] | None = None,
        techniques: Mapping[str, Technique] | None = None,
        relaxation: Relaxation | None = None,
        pretraining: Pretraining | None = None,
        discriminator_steps: Steps = 1,
        generator_steps: Steps = 1,
        generator_optimizer: OptimizerFactory = torch.optim.Adam,
        discriminator_optimizer: OptimizerFactory = torch.optim.Adam,
        latent: Annotated[int, Gt(0)] = 64,
        latent_kind: Kind = "normal",
        pack: Annotated[int, Gt(0)] = 1,
        ema: Annotated[float, Ge(0), Lt(1)] | None = None,
    ) -> None:
        check_fixed_length(distribution)
        super().__init__(distribution, conditions, None)
        check_turns(discriminator_steps, generator_steps)
        self.automatic_optimization = False
        self.discriminator_steps, self.generator_steps = discriminator_steps, generator_steps
        self.objective = objective or NonSaturating()
        self.penalties = dict(penalties or {})
        self.techniques = dict(techniques or {})
        self.relaxation = relaxation or Relaxation()
        self.pretraining = pretraining
        self.latent, self.latent_kind, self.pack = latent, latent_kind, pack
        self._factories = generator_optimizer, discriminator_optimizer
        shapes = {name: d.feature_shape for name, d in self.conditions.items()}
        self.generator = generator((latent,), distribution.parameter_shape, shapes)
        self.ema_decay = ema
        self.generator_ema = None if ema is None else averaged_copy(self.generator)
        judged = {name: packed_shape(shape, pack) for name, shape in shapes.items()}
        self.discriminator = discriminator(packed_shape(distribution.feature_shape, pack), judged)
        self.scoreboard = Scoreboard()
        check_players(self.objective, self.discriminator, self.penalties, pack)
        self.relaxation.check(self)
        if pretraining is not None:
            pretraining.check(self)
        for technique in self.techniques.values():
            technique.check(self)
        self._latents: torch.Generator | None = None
        self._judging: tuple[nn.Parameter, ...] = ()
        self._real: tuple[Batch, Tensor] | None = None

    def configure_optimizers(self) -> Sequence[torch.optim.Optimizer]:
        first, second = self._factories
        self._judging = tuple(self.discriminator.parameters())
        made = [first(self.generator.parameters()), second(self.discriminator.parameters())]
        for technique in self.techniques.values():
            technique.check_optimizers(*made)
        return made

    # -- the algorithm ------------------------------------------------------------------------

    def training_step(self, source: TrainLoader, batch_idx: int) -> None:
        """Make a round of iterations, up to the end of the epoch."""
        for _ in range(self.round):
            self.iterate(source)
            if self._over(source):
                break

    def _over(self, source: TrainLoader) -> bool:
        counters, most = self._position, self.max_updates
        end = (self.current_epoch + 1) * source.per_epoch
        return counters["batches_seen"] >= end or (most is not None and counters["updates"] >= most)

    def iterate(self, source: TrainLoader) -> None:
        """Make one iteration of the algorithm, or one update of what comes before it."""
        before, seen = self.pretraining, self._position["batches_seen"]
        if before is not None and before.lasts(seen, source.per_epoch):
            return before.update(self, source)
        iteration = self._position["iterations"]
        real: Batch | None = None
        for _ in range(in_force(self.discriminator_steps, iteration)):
            real = self.draw(source)
            self.update_discriminator(real)
        for _ in range(in_force(self.generator_steps, iteration)):
            real = self.draw(source) if real is None else real
            self.update_generator(real)
        self.count(iterations=1)

    def update_discriminator(self, real: Batch) -> None:
        """Make one update of the discriminator on a minibatch and fresh codes."""
        self.begin_attempt()
        condition = self.condition_features(real.condition)
        with torch.no_grad():
            fake = self.fake(self.codes(len(real)), condition)
        x = self._real_features(real)
        game = Game(self, self._shown(x), self._shown(fake), packed_each(condition, self.pack))
        loss = self.discriminator_loss(game)
        self._note("discriminator", loss, game.scored_real.scores, game.scored_fake.scores)
        if not self._frozen("discriminator", loss):
            self.descend(loss, 1)
            self.objective.after_discriminator_update(self.discriminator)
            self.count(discriminator_updates=1)

    def discriminator_loss(self, game: Game, ahead: int = 0) -> Tensor:
        """Return the discriminator's whole loss, at an update that lies so many ahead."""
        loss = self.objective.discriminator_loss(game.scored_real.scores, game.scored_fake.scores)
        made = self._position["discriminator_updates"] + ahead
        for penalty in [p for p in self.penalties.values() if made % p.every == 0]:
            loss = loss + penalty(game.scores, game.real, game.fake)
        for technique in self.techniques.values():
            loss = loss + technique.discriminator_loss(game)
        return loss

    def update_generator(self, real: Batch) -> None:
        """Make one update of the generator on fresh codes."""
        self.begin_attempt()
        condition = self.condition_features(real.condition)
        self._let_judge_learn(False)
        codes = self.codes(len(real))
        parameters = self.generator(codes, condition)
        fake = self.relaxation(self.distribution, parameters, self._position["updates"])
        x = self._real_features(real)
        judged = packed_each(condition, self.pack)
        game = Game(self, self._shown(x), self._shown(fake), judged, codes, fake)
        for technique in self.techniques.values():
            game = technique.foreseen(game)
        needed = game.scored_real.scores if self.objective.paired else None
        loss = played = self.objective.generator_loss(game.scored_fake.scores, needed)
        for technique in self.techniques.values():
            loss = technique.objective_weight * loss
        for technique in self.techniques.values():
            loss = loss + technique.generator_loss(game)
        self._note("generator", loss, game.scored_fake.scores)
        if not self._frozen("generator", played):
            self.descend(self.relaxation.descended(loss, game, parameters), 0)
            if self.generator_ema is not None and self.ema_decay is not None:
                move_average(self.generator_ema, self.generator, self.ema_decay)
            if needed is not None:
                self.objective.after_generator_update(needed, game.scored_fake.scores)
        self._let_judge_learn(True)
        self.count(updates=1)
        if self._position["updates"] % self.log_every == 0:
            self._log(parameters)

    def _let_judge_learn(self, learn: bool) -> None:
        for parameter in self._judging:
            parameter.requires_grad_(learn)

    def _real_features(self, real: Batch) -> Tensor:
        """Return the features of real examples; both players are shown the same minibatch."""
        if self._real is None or self._real[0] is not real:
            self._real = real, self.distribution.features(real.x)
        return self._real[1]

    def _note(self, player: Player, loss: Tensor, *scores: Tensor) -> None:
        self.scoreboard.note(player, loss, *scores)
        self.scoreboard.refuse_last(self._position["updates"])

    def _frozen(self, player: Player, loss: Tensor) -> bool:
        return any([t.freezes(player, loss) for t in self.techniques.values()])

    def _log(self, parameters: Tensor) -> None:
        """Log the means since the last time, and begin anew."""
        updates = self._position["updates"]
        self.scoreboard.refuse_divergence(updates)
        relaxed = self.relaxation.logged(self.distribution, parameters, updates)
        self.emit({**self.scoreboard.take(), **self.objective.logged(), **relaxed})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to write weights that are no numbers, or came from such losses."""
        updates = self._position["updates"]
        self.scoreboard.refuse_divergence(updates)  # seen late on a GPU
        refuse_infinite(updates, generator=self.generator, discriminator=self.discriminator)
        super().on_save_checkpoint(checkpoint)

    def begin_attempt(self) -> None:
        """Put the streams of codes and of other noise at the place that this update has."""
        self.count(attempts=1)
        self.seed_noise(self._position["attempts"])
        if self._latents is None or self._latents.device != self.device:
            self._latents = torch.Generator(self.device)
        place = self._position["attempts"], self.global_rank
        self._latents.manual_seed(stream_seed(self.seed, "latent", *place))

    def codes(self, count: int) -> Tensor:
        """Draw fresh codes `(count, latent)` from the stream of this update."""
        return draw_latent(count, self.latent, self.latent_kind, self._latents, self.device)

    def fake(self, codes: Tensor, condition: Mapping[str, Tensor]) -> Tensor:
        """Return the generator's examples as differentiable features."""
        parameters = self.generator(codes, condition)
        return self.relaxation(self.distribution, parameters, self._position["updates"])

    def judge(self, features: Tensor, condition: Mapping[str, Tensor]) -> Scored:
        """Return what the discriminator says of (packed) features."""
        return Scored(*map(full, self.discriminator(features, condition)))

    def _shown(self, features: Tensor) -> Tensor:
        """Return features as the discriminator gets them: after the techniques, and packed."""
        for technique in self.techniques.values():
            features = technique.shown(features, self._position["updates"])
        return packed(features, self.pack)

    def condition_features(self, condition: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: d.features(condition[name]) for name, d in self.conditions.items()}

    # -- evaluation and sampling --------------------------------------------------------------

    def evaluate(self, batch: Batch) -> Evaluation:
        return Evaluation(None, None, torch.ones_like(batch.x, dtype=torch.bool))

    @torch.no_grad()
    def sample(
        self,
        n: int | None = None,
        *,
        condition: Mapping[str, Tensor] | None = None,
        given: Given | None = None,
        z: Tensor | None = None,
        lengths: Tensor | None = None,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        weights: str | None = None,
    ) -> Tensor:
        self.refuse(given=given, lengths=lengths)
        network = chosen(weights, self.generator, self.generator_ema)
        return sample_generator(
            self, network, n, condition=condition, z=z, temperature=temperature,
            generator=generator,
        )  # fmt: skip
