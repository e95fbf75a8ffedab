"""The film: the same codes in every frame, whatever happens to a run, and weights left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import only_runs
from matplotlib.image import imread
from PIL import Image

import partimento
from partimento import experiment
from partimento.data.batch import Batch
from partimento.datasets.chorales import PARTS, RANGES, read_bach
from partimento.datasets.mixtures import Ring
from partimento.diagnostics import film
from partimento.diagnostics.film import Film
from partimento.diagnostics.samples import CLOUD
from partimento.distributions import Categorical
from partimento.errors import Interrupted
from partimento.generation.latent import read_codes
from partimento.generation.strategies import SingleStep
from partimento.loading import read_checkpoint
from partimento.models import Feedforward
from partimento.models.adversarial import Adversarial
from partimento.models.implicit import ImplicitMaximumLikelihood
from partimento.networks import MLP, MLPDiscriminator
from partimento.representations.base import Representation
from partimento.representations.melody import Melody
from partimento.representations.multivoice import MultiVoice
from partimento.representations.pianoroll import PianoRoll
from partimento.representations.points import Points
from partimento.seeds import generator

GRID = MultiVoice(PARTS, RANGES)
CHORALES = ("253", "254", "256")


def gan(distribution, conditions=None) -> Adversarial:
    torch.manual_seed(0)
    return Adversarial(
        distribution,
        conditions,
        generator=lambda *shapes: MLP(*shapes, hidden=(8,)),
        discriminator=lambda *shapes: MLPDiscriminator(*shapes, hidden=(8,)),
        latent=5,
    )


def imle(distribution, conditions=None) -> ImplicitMaximumLikelihood:
    torch.manual_seed(0)
    return ImplicitMaximumLikelihood(
        distribution, conditions, generator=lambda *shapes: MLP(*shapes, hidden=(8,)), latent=5
    )


def examples_of(representation: Representation) -> Batch:
    windows = [representation.windows(read_bach(number), stride=4).x for number in CHORALES]
    return Batch(torch.from_numpy(np.concatenate(windows)))


class Logger:
    """Notes what it is handed."""

    def __init__(self) -> None:
        self.logged: list[dict] = []

    def log_files(self, files: dict, axes: dict) -> None:
        self.logged.append({**files, **axes})


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the drawing, which takes most of the time."""
    monkeypatch.setattr(film, "draw_sheet", lambda *_, **__: None)


def trainer_of(model, examples: Batch, epoch: int = 0, loggers=(), dataset=None) -> SimpleNamespace:
    data = SimpleNamespace(examples={"valid": examples}.__getitem__, dataset=dataset)
    model.trainer = trainer = SimpleNamespace(
        current_epoch=epoch, datamodule=data, loggers=list(loggers), is_global_zero=True
    )
    return trainer


class Noted(SingleStep):
    """Notes what models are asked with, and what they answer."""

    def __init__(self, temperature: float = 0.0) -> None:
        super().__init__(temperature)
        self.asked: list[dict] = []
        self.made: list[torch.Tensor] = []

    def generate(self, model, **arguments):
        self.asked.append(arguments)
        self.made.append(super().generate(model, **arguments))
        return self.made[-1]


@pytest.mark.parametrize("make", [gan, imle])
@pytest.mark.parametrize(
    "representation", [GRID, Melody(), PianoRoll()], ids=["multivoice", "melody", "pianoroll"]
)
def test_a_frame_of_every_music(tmp_path, make, representation):
    model, strategy, logger = make(representation.distribution), Noted(), Logger()
    trainer = trainer_of(model, examples_of(representation), 9, [logger, object()])
    Film(tmp_path, representation, strategy, seed=7, count=3).on_validation_end(trainer, model)
    path = tmp_path / "samples" / "film" / "epoch-0010.png"
    assert imread(path).std() > 0.01
    (frame,) = logger.logged
    assert frame["samples/film"] == path
    assert frame["epoch"] == 9
    assert torch.equal(strategy.made[0], model.sample(z=strategy.asked[0]["z"], temperature=0))
    bank = read_codes(path.with_name("codes.npy"))
    assert bank.shape == (3, 5)
    assert np.array_equal(bank, strategy.asked[0]["z"].numpy())


def test_the_bank_and_the_noise_are_the_same_in_every_frame(tmp_path, undrawn):
    model, strategy = gan(GRID.distribution), Noted(temperature=1.0)
    examples = examples_of(GRID)
    Film(tmp_path, GRID, strategy, seed=7, count=3).on_validation_end(
        trainer_of(model, examples), model
    )
    for epoch in (1, 2):  # another object, as in a run that goes on
        watcher = Film(tmp_path, GRID, strategy, seed=7, count=3)
        watcher.on_validation_end(trainer_of(model, examples, epoch), model)
        torch.rand(5)
    assert all(torch.equal(asked["z"], strategy.asked[0]["z"]) for asked in strategy.asked)
    assert all(torch.equal(made, strategy.made[0]) for made in strategy.made)
    assert not torch.equal(strategy.made[0][0], strategy.made[0][1])
    Film(tmp_path, GRID, strategy, seed=8, count=3).on_validation_end(
        trainer_of(model, examples), model
    )
    assert not torch.equal(strategy.asked[-1]["z"], strategy.asked[0]["z"])


def test_the_bank_is_no_stream_of_training():
    model, bank = gan(GRID.distribution), Film("", GRID, SingleStep(), seed=3).bank
    codes = bank(model, 4)
    for purpose in ("latent", "diagnostics"):
        other = torch.randn(4, 5, generator=generator(3, purpose))
        assert not torch.equal(codes, other)
    assert bank(Feedforward(GRID.distribution), 4) is None


def test_frames_have_one_size_whatever_is_in_them(tmp_path):
    model, examples = gan(GRID.distribution), examples_of(GRID)
    watcher = Film(tmp_path, GRID, SingleStep(), count=2)
    sizes = set()
    for epoch, factor in enumerate((1.0, -30.0, 0.0)):
        with torch.no_grad():
            for weight in model.generator.parameters():
                weight.mul_(factor)
        watcher.on_validation_end(trainer_of(model, examples, epoch), model)
        sizes.add(imread(tmp_path / "samples" / "film" / f"epoch-{epoch + 1:04d}.png").shape)
    assert len(sizes) == 1


def test_every_frame_has_the_same_conditions(tmp_path, undrawn):
    chord = Categorical((1,), (4,))
    model, strategy = gan(GRID.distribution, {"chord": chord}), Noted()
    x = examples_of(GRID).x[:6]
    examples = Batch(x, condition={"chord": torch.tensor([[3], [1], [2], [0], [1], [2]])})
    for epoch in (0, 1):
        watcher = Film(tmp_path, GRID, strategy, count=4)
        watcher.on_validation_end(trainer_of(model, examples, epoch), model)
    for asked in strategy.asked:
        assert asked["condition"]["chord"].tolist() == [[3], [1], [2], [0]]
        assert asked["n"] == len(asked["z"]) == 4
    watcher = Film(tmp_path, GRID, strategy, count=40)  # more than there are conditions
    watcher.on_validation_end(trainer_of(model, examples, 2), model)
    assert strategy.asked[-1]["n"] == len(strategy.asked[-1]["z"]) == 6


def test_codes_are_as_many_as_asked_for_where_nothing_is_given(tmp_path, undrawn):
    model, strategy = gan(GRID.distribution), Noted()
    watcher = Film(tmp_path, GRID, strategy, count=5)
    watcher.on_validation_end(trainer_of(model, examples_of(GRID)[slice(0, 2)]), model)
    assert strategy.made[0].shape[0] == 5


def test_a_harmoniser_is_filmed_by_what_it_is_given(tmp_path, undrawn):
    torch.manual_seed(0)
    model, strategy = Feedforward(GRID.distribution), Noted()
    examples = examples_of(GRID)
    Film(tmp_path, GRID, strategy, count=3).on_validation_end(trainer_of(model, examples), model)
    assert strategy.asked[0]["z"] is None
    assert torch.equal(strategy.made[0][..., 0], examples.x[:3, ..., 0].long())
    assert not (tmp_path / "samples" / "film" / "codes.npy").exists()


def test_points_are_drawn_as_a_cloud(tmp_path, monkeypatch):
    ring, drawn = Ring(samples=200), []
    monkeypatch.setattr(film, "draw_points", lambda points, path, **more: drawn.append(more))
    examples = Batch(torch.from_numpy(ring.examples("valid").x))
    model, strategy = imle(Points().distribution), Noted()
    watcher = Film(tmp_path, Points(), strategy, count=2)
    watcher.on_validation_end(trainer_of(model, examples, dataset=ring), model)
    assert strategy.made[0].shape == (2 * CLOUD, 1, 2)
    assert drawn[0]["centres"] is ring.oracle.centres
    assert np.array_equal(drawn[0]["real"], examples.x.numpy())
    assert drawn[0]["title"] == "epoch 1, 0 updates"


def test_only_the_first_process_writes(tmp_path):
    model = gan(GRID.distribution)
    trainer = trainer_of(model, examples_of(GRID))
    trainer.is_global_zero = False
    watcher = Film(tmp_path, GRID, SingleStep())
    for step in (watcher.on_train_start, watcher.on_validation_end, watcher.on_fit_end):
        step(trainer, model)
    assert not (tmp_path / "samples").exists()


def test_nothing_that_training_depends_on_is_touched(tmp_path):
    model = gan(GRID.distribution).train()
    stream = torch.get_rng_state()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    trainer = trainer_of(model, examples_of(GRID))
    watcher = Film(tmp_path, GRID, SingleStep(1.0), count=2)
    watcher.on_train_start(trainer, model)
    watcher.on_validation_end(trainer, model)
    assert torch.equal(stream, torch.get_rng_state())
    assert model.training
    assert model.generator.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[name]), name


# -- runs as a user makes them ----------------------------------------------------------------------

SLIM = (
    "model=gan", "model.generator.hidden=[8]", "model.discriminator.hidden=[8]",
    "model.discriminator.dropout=0.3", "model.latent=4", "trainer.checkpoint_every=1",
    "trainer.max_epochs=2",
)  # fmt: skip
FILM = ("diagnostics=film", "diagnostics.film.count=1")


@pytest.fixture
def run(tiny: Callable[..., list[str]]) -> Callable[..., list[str]]:
    def overrides(*more: str, **places: Path) -> list[str]:
        left_out = ("model.hidden", "diagnostics")
        kept = [text for text in tiny(**places) if not text.startswith(left_out)]
        return [*kept, *SLIM, *more]

    return overrides


def weights(outputs: Path) -> dict[str, torch.Tensor]:
    (folder,) = only_runs(outputs)
    return read_checkpoint(folder / "checkpoints" / "last.ckpt")["state_dict"]


def frames(outputs: Path) -> dict[str, bytes]:
    (folder,) = only_runs(outputs)
    return {path.name: path.read_bytes() for path in (folder / "samples" / "film").iterdir()}


def test_a_film_changes_no_weight_and_goes_on_after_an_interruption(run, tmp_path, monkeypatch):
    partimento.train(run("diagnostics=none", outputs=tmp_path / "plain"))
    looks = []

    class Stop(experiment.StopRequest):
        def __call__(self) -> bool:
            looks.append(None)
            return len(looks) == 9  # in the second epoch of six batches

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(experiment, "StopRequest", Stop)
        partimento.train(run(*FILM, outputs=tmp_path / "filmed"))
    before = frames(tmp_path / "filmed")
    assert sorted(before) == ["codes.npy", "epoch-0000.png", "epoch-0001.png"]
    partimento.train(run(*FILM, outputs=tmp_path / "filmed"))
    after = frames(tmp_path / "filmed")
    assert sorted(after) == [*sorted(before), "epoch-0002.png", "film.gif"]
    assert all(after[name] == before[name] for name in before)
    plain, filmed = weights(tmp_path / "plain"), weights(tmp_path / "filmed")
    assert plain.keys() == filmed.keys()
    for name in plain:
        assert torch.equal(plain[name], filmed[name]), name
    (folder,) = only_runs(tmp_path / "filmed")
    with Image.open(folder / "samples" / "film" / "film.gif") as played:
        assert played.n_frames == 3


def test_a_run_that_begins_anew_shows_no_frame_of_the_old(tmp_path):
    model = gan(GRID.distribution)
    folder = tmp_path / "samples" / "film"
    folder.mkdir(parents=True)
    (folder / "epoch-0009.png").write_bytes(b"old")
    watcher = Film(tmp_path, GRID, SingleStep(), count=1)
    watcher.on_train_start(trainer_of(model, examples_of(GRID)), model)
    assert [path.name for path in folder.glob("*.png")] == ["epoch-0000.png"]
    model.count(updates=1)
    watcher.on_train_start(trainer_of(model, examples_of(GRID)), model)  # a resumed run
    assert [path.name for path in folder.glob("*.png")] == ["epoch-0000.png"]


@pytest.mark.full
def test_wandb_gets_every_frame_under_one_name(run, tmp_path):
    partimento.train([text for text in run(*FILM) if text != "logger=csv"])
    (folder,) = only_runs(tmp_path)
    pictures = list((folder / "wandb").glob("offline-run-*/files/media/images/samples/film_*.png"))
    assert len(pictures) == 3
    assert list((folder / "wandb").glob("offline-run-*/files/film.gif"))


@pytest.mark.full
def test_two_processes_make_one_film(run, tmp_path):
    from survival import complete

    alone = [text for text in run(*FILM, outputs=tmp_path) if not text.startswith("accelerator")]
    complete([*alone, "accelerator=ddp", "accelerator.device=cpu", "accelerator.threads=1"])
    (folder,) = {path.parent for path in tmp_path.rglob("run.json")}
    names = sorted(path.name for path in (folder / "samples" / "film").iterdir())
    assert names == ["codes.npy", *(f"epoch-000{n}.png" for n in range(3)), "film.gif"]


@pytest.mark.full
def test_a_film_in_mixed_precision(run, tmp_path):
    record = partimento.train(run(*FILM, "accelerator.precision=bf16-mixed"))
    assert record["status"] == "finished"
    (folder,) = only_runs(tmp_path)
    assert (folder / "samples" / "film" / "film.gif").exists()
