"""generate without a melody: samples, samples of given codes, ways between codes, one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY, only_runs
from matplotlib.image import imread

import partimento
from partimento.apps.drawing import condition_of
from partimento.datasets.chorales import PARTS
from partimento.errors import UserError
from partimento.formats.files import read_piece
from partimento.generation.latent import read_codes
from partimento.generation.strategies import SingleStep
from partimento.loading import Trained
from partimento.models.adversarial import Adversarial
from partimento.models.latent import interpolate
from partimento.music import Chord, Piece, lay_bars
from partimento.networks import MLP, MLPDiscriminator
from partimento.representations.bars import Bars

SLIM = {
    "gan": ["model=gan", "model.discriminator.hidden=[8]", "model.relaxation.noise=true"],
    "imle": ["model=imle", "model.pool=2"],
}
FEW = ["trainer.max_updates=4", "trainer.max_epochs=1", "trainer.limit_train_batches=4"]


def trained_run(outputs: Path, cache: Path, *chosen: str) -> Path:
    kept = [text for text in TINY if not text.startswith(("model.", "trainer.limit"))]
    places = [f"paths.outputs={outputs}", f"paths.cache={cache}"]
    slim = ["model.generator.hidden=[8]", "model.latent=5"]
    partimento.train([*kept, *FEW, *places, *chosen, *slim])
    (folder,) = only_runs(outputs)
    return folder


@pytest.fixture(scope="session")
def gan(tmp_path_factory, cache) -> Path:
    return trained_run(tmp_path_factory.mktemp("gan") / "outputs", cache, *SLIM["gan"])


@pytest.fixture(scope="session")
def imle(tmp_path_factory, cache) -> Path:
    return trained_run(tmp_path_factory.mktemp("imle") / "outputs", cache, *SLIM["imle"])


@pytest.fixture(params=["gan", "imle"])
def run(request) -> Path:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def ring(tmp_path_factory, cache) -> Path:
    outputs = tmp_path_factory.mktemp("ring") / "outputs"
    points = ["dataset=ring", "dataset.samples=500", "representation=points"]
    return trained_run(outputs, cache, *SLIM["gan"], *points)


def made_by(cli, *arguments: str):
    result = cli("generate", *arguments)
    assert result.code == 0, result.err
    return result


def steps_in(folder: Path) -> list[Piece]:
    return [read_piece(path) for path in sorted(folder.glob("*-*.mid"))]


def same_notes(one: Piece, two: Piece) -> bool:
    return one.pitch.tolist() == two.pitch.tolist() and (
        (one.onset / one.resolution).tolist() == (two.onset / two.resolution).tolist()
    )


# -- what is made -----------------------------------------------------------------------------------


def test_the_way_between_the_codes_of_two_seeds(cli, run, tmp_path):
    way = "interpolate={between: [1, 2], steps: 4, method: linear}"
    result = made_by(cli, f"run={run}", way, f"output={tmp_path / 'way'}")
    names = ["codes.npy", "row.mid", "sheet.png", *(f"step-0{n}.mid" for n in range(1, 5))]
    assert sorted(path.name for path in (tmp_path / "way").iterdir()) == names
    for kind in ("pieces", "row", "sheet", "codes"):
        assert kind in result.out
    trained = partimento.load(run)
    ends = [trained.codes(seed=seed)[0] for seed in (1, 2)]
    codes = torch.from_numpy(read_codes(tmp_path / "way" / "codes.npy"))
    assert torch.equal(codes, interpolate(*ends, 4, "linear"))
    written = steps_in(tmp_path / "way")
    expected = trained.interpolate(*ends, 4, method="linear", temperature=0)
    assert [piece.parts for piece in expected] == [PARTS] * 4
    assert all(same_notes(*pair) for pair in zip(written, expected, strict=True))
    alone = trained.sample(z=ends[1].unsqueeze(0), temperature=0)[0]
    assert same_notes(written[-1], alone)
    row = read_piece(tmp_path / "way" / "row.mid")
    assert len(row) == sum(len(piece) for piece in written)
    assert imread(tmp_path / "way" / "sheet.png").std() > 0.01


def test_by_default_it_goes_below_the_run_folder(cli, gan):
    result = made_by(cli, f"run={gan}", "interpolate.between=[3,4]", "interpolate.steps=2")
    folder = gan / "generated" / "spherical-3-4-in-2"
    assert len(steps_in(folder)) == 2
    assert "spherical-3-4-in-2" in result.out
    codes = folder / "codes.npy"
    made_by(cli, f"run={gan}", f"z={codes}")
    assert len(steps_in(gan / "generated" / "samples-of-spherical-3-4-in-2")) == 2


def test_samples_their_codes_and_the_way_between_two_of_them(cli, gan, tmp_path):
    """Draw many, look at the sheet, and go from one that pleases to another."""
    many = tmp_path / "many codes, [drawn]"
    made_by(cli, f"run={gan}", "count=5", "seed=3", f"output={many}")
    samples = steps_in(many)
    assert len(samples) == 5
    codes = many / "codes.npy"
    made_by(cli, f"run={gan}", f"z={codes}", f"output={tmp_path / 'again'}")
    again = steps_in(tmp_path / "again")
    assert all(same_notes(*pair) for pair in zip(samples, again, strict=True))
    between = ["interpolate.between=[4,1]", "interpolate.steps=3"]
    made_by(cli, f"run={gan}", f"z={codes}", *between, f"output={tmp_path / 'way'}")
    way = steps_in(tmp_path / "way")
    assert same_notes(way[0], samples[4])
    assert same_notes(way[-1], samples[1])


@pytest.mark.parametrize("asked", ["count=2", "interpolate.between=[1,2]"])
def test_the_same_command_writes_the_same_music(cli, gan, tmp_path, asked):
    short = ["strategy.temperature=1", "interpolate.steps=2"]
    for name, seed in (("one", 4), ("two", 4), ("three", 5)):
        made_by(cli, f"run={gan}", asked, f"seed={seed}", *short, f"output={tmp_path / name}")
    one, two, three = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("one", "two", "three")
    )
    assert one == two
    assert one["row.mid"] != three["row.mid"]
    # The ends of a way are those of its seeds; only the noise has the seed of the command.
    assert (one["codes.npy"] == three["codes.npy"]) == (asked != "count=2")


@pytest.mark.full
def test_without_noise_the_codes_decide(cli, imle, tmp_path):
    for seed in (4, 5):
        made_by(
            cli, f"run={imle}", "interpolate.between=[1,2]", f"seed={seed}",
            "strategy.temperature=1", "interpolate.steps=2", f"output={tmp_path / str(seed)}",
        )  # fmt: skip
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / seed).iterdir()} for seed in "45"
    )
    assert one == two


def test_points_are_drawn_as_a_cloud_and_a_path(cli, ring, tmp_path):
    made_by(cli, f"run={ring}", "interpolate.between=[1,2]", f"output={tmp_path / 'way'}")
    made_by(cli, f"run={ring}", "count=200", f"output={tmp_path / 'cloud'}")
    for name in ("way", "cloud"):
        files = sorted(path.name for path in (tmp_path / name).iterdir())
        assert files == ["codes.npy", "sheet.png"]
        assert imread(tmp_path / name / "sheet.png").std() > 0.01


def test_from_python(run):
    trained = partimento.load(run)
    z = trained.codes(3, seed=1)
    one, two = (trained.sample(z=z, seed=0) for _ in range(2))
    assert one == two
    assert [piece.parts for piece in one] == [PARTS] * 3
    alone = [trained.sample(z=code.unsqueeze(0), temperature=0)[0] for code in z]
    assert alone == trained.sample(3, z=z, temperature=0)
    still = trained.interpolate(z[0], z[0], 3)  # drawn, but with one and the same noise
    assert still[0] == still[1] == still[2]
    with pytest.raises(UserError, match=r"^z must have the shape \(n, 5\) for this model, not \(1"):
        trained.interpolate(torch.zeros(4), torch.zeros(4))
    with pytest.raises(UserError, match=r"^z must hold finite numbers"):
        trained.sample(z=z * torch.nan)


# -- conditions -------------------------------------------------------------------------------------


def leadsheet() -> Piece:
    """Two bars of a melody over C and G7, in quarter notes."""
    pitch = [60, 64, 67, 72, 71, 67, 65, 62]
    return Piece(
        "sheet", 4, 4 * np.arange(8), np.full(8, 4), pitch, np.zeros(8), parts=("melody",), end=32,
        bars=lay_bars([(0, 4, 4)], 32, 4), chords=(Chord(0, 16, "C"), Chord(16, 16, "G7")),
    )  # fmt: skip


@pytest.fixture
def conditional() -> Trained:
    bars = Bars()
    torch.manual_seed(0)
    model = Adversarial(
        bars.distribution,
        bars.conditions,
        generator=lambda *shapes: MLP(*shapes, hidden=(8,)),
        discriminator=lambda *shapes: MLPDiscriminator(*shapes, hidden=(8,)),
        latent=5,
    )
    return Trained(model, bars, {}, Path())


def test_conditions_are_those_of_the_first_window(conditional, monkeypatch):
    monkeypatch.setattr("partimento.datasets.inputs.read_input", lambda source: leadsheet())
    condition = condition_of(conditional, "sheet.musicxml")
    expected = conditional.representation.windows(leadsheet(), stride=1).condition
    assert condition is not None
    assert condition.keys() == expected.keys() == conditional.model.conditions.keys()
    for name, value in condition.items():
        assert np.array_equal(value.numpy(), expected[name][:1])
    ends = conditional.codes(2)
    steps = conditional.interpolate(*ends, 3, condition=condition, temperature=0)
    assert len(steps) == 3
    assert steps[0] == conditional.sample(z=ends[:1], condition=condition, temperature=0)[0]


def test_a_conditional_model_needs_a_piece(conditional):
    with pytest.raises(UserError, match=r"^This model makes music under conditions \(.*\): name a"):
        condition_of(conditional, None)
    with pytest.raises(
        UserError, match=r"under conditions and was not given previous, chord: give"
    ):
        SingleStep().generate(conditional.model, n=2)


# -- one sentence -----------------------------------------------------------------------------------


def assert_refused(result, *words: str) -> None:
    assert result.code == 1
    lines = [line for line in result.err.splitlines() if line.strip()]
    assert len(lines) == 1, result.err
    assert lines[0].startswith("partimento: ")
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in result.out + result.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["count=2", "z=codes.npy"], ["count=…", "leave count out"]),
        (["count=2", "interpolate.between=[1,2]"], ["leave count out"]),
        (["count=0"], ["count=0 is wrong", "greater than 0"]),
        (["interpolate.between=[1]"], ["interpolate.between=[1] is wrong", "at least 2 items"]),
        (["interpolate.between=[1,2,3]"], ["interpolate.between", "at most 2 items"]),
        (["interpolate.between=[1,-2]"], ["interpolate.between[1]=-2", "or equal to 0"]),
        (["interpolate.between=[1,b]"], ["interpolate.between[1]=b", "integer"]),
        (["interpolate.between=[1,2]", "interpolate.steps=1"], ["interpolate.steps=1 is wrong"]),
        (["interpolate.between=[1,2]", "interpolate.method=cubic"], ["'linear' or 'spherical'"]),
        (["interpolate.from=1"], ["interpolate.from"]),
        (["z=nowhere.npy"], ["There is no file of codes at nowhere.npy"]),
        (["count=2", "input=bwv:253"], ["this model has none: leave input out"]),
        (["interpolate.steps=5"], ["input= is missing", "interpolate.between=[1,2]"]),
    ],
)
def test_a_wrong_request(cli, ring, arguments, words):
    assert_refused(cli("generate", f"run={ring}", *arguments), *words)


def test_codes_that_are_not_the_models(cli, ring, tmp_path):
    path = tmp_path / "codes.npy"
    np.save(path, np.zeros((3, 4)))
    assert_refused(cli("generate", f"run={ring}", f"z={path}"), f"{path}: z must have the shape")
    np.save(path, np.full((3, 5), np.nan))
    assert_refused(cli("generate", f"run={ring}", f"z={path}"), f"{path}: z must hold finite")
    np.save(path, np.zeros((3, 5)))
    result = cli("generate", f"run={ring}", f"z={path}", "interpolate.between=[0,3]")
    assert_refused(result, "asks for row 3 of", "which has rows 0 to 2")
    path.write_bytes(b"no codes")
    assert_refused(cli("generate", f"run={ring}", f"z={path}"), "cannot be read as codes")


@pytest.mark.parametrize("asked", ["interpolate.between=[1,2]", "z={codes}"])
def test_a_model_without_codes(cli, tiny_run, tmp_path, asked):
    np.save(tmp_path / "codes.npy", np.zeros((3, 5)))
    asked = asked.format(codes=tmp_path / "codes.npy")
    result = cli("generate", f"run={tiny_run}", asked)
    assert_refused(result, "Feedforward has no latent codes: take a model with a generator")


def test_a_harmoniser_draws_nothing_from_nothing(cli, tiny_run):
    assert_refused(cli("generate", f"run={tiny_run}", "count=2"), "given")


def test_a_model_without_codes_that_needs_no_melody(cli, tiny, tmp_path):
    outputs = tmp_path / "marginal"
    kept = [text for text in tiny(outputs=outputs) if not text.startswith("model.")]
    partimento.train([*kept, "model=marginal"])
    (folder,) = only_runs(outputs)
    made_by(cli, f"run={folder}", "count=2", f"output={tmp_path / 'made'}")
    names = sorted(path.name for path in (tmp_path / "made").iterdir())
    assert names == ["row.mid", "sample-01.mid", "sample-02.mid", "sheet.png"]
    result = cli("generate", f"run={folder}", "interpolate.between=[1,2]")
    assert_refused(result, "Marginal has no latent codes")
