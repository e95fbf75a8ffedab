"""MidiNet as experiments: each takes its steps and makes music over chords, and learns one batch by heart."""

from __future__ import annotations

import os
import random
from functools import partial
from pathlib import Path

import pytest
import torch
from conftest import only_runs

import partimento
from partimento.apps.composition import compose_request
from partimento.building import build
from partimento.config import conf_dir
from partimento.data.batch import Batch
from partimento.data.collate import collate
from partimento.errors import UserError
from partimento.formats.files import read_piece
from partimento.loading import Trained
from partimento.losses.objectives import NonSaturating
from partimento.models.adversarial import Adversarial
from partimento.models.relaxation import Relaxation
from partimento.models.techniques import FeatureMatching
from partimento.music import Chord, Piece, lay_bars
from partimento.networks.midinet import BarDiscriminator, BarGenerator
from partimento.representations.bars import Bars

NAMES = sorted(path.stem for path in conf_dir().glob("experiment/midinet_*.yaml"))
STEPS = (
    "trainer.max_updates=3", "trainer.max_epochs=1", "trainer.limit_train_batches=3",
    "trainer.progress_bar=false", "accelerator=cpu", "accelerator.threads=1", "logger=csv",
    "data.transpose=false", "trainer.batch_size=16", "trainer.log_every=1",
)  # fmt: skip
CHORDS = ("C", "G", "Am", "F", "C", "G", "F", "C")


def lead_sheets(folder: Path) -> Path:
    """Write twelve tunes of eight bars that have nothing in common."""
    folder.mkdir()
    for number in range(1, 13):
        draw = random.Random(number)
        bars = [f'"{chord}"' + "".join(draw.choices("CDEFGABcdefgab", k=4)) for chord in CHORDS]
        head = f"X:{number}\nT:Tune {number}\nM:4/4\nL:1/4\nK:C\n"
        (folder / f"{number}.abc").write_text(head + "|".join(bars) + "|]\n")
    return folder


def overrides(name: str, tmp_path: Path, cache: Path, *more: str) -> list[str]:
    places = [f"paths.outputs={tmp_path / 'outputs'}", f"paths.cache={cache}"]
    path = () if name.endswith("_small") else (f"dataset.path={lead_sheets(tmp_path / 'tunes')}",)
    return [f"experiment={name}", *STEPS, *places, *path, *more]


SLOW = ("midinet_melody_small", "midinet_creative_small")  # as the others, but of a corpus


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.full] if name in SLOW else []) for name in NAMES],
)
def test_an_experiment_takes_steps_and_makes_a_melody(cli, tmp_path, cache, name):
    record = partimento.train(overrides(name, tmp_path, cache))
    assert record["status"] == "finished"
    assert record["counters"]["updates"] == record["counters"]["discriminator_updates"] == 3
    (folder,) = only_runs(tmp_path)
    assert folder.parent.name.startswith("midinet-")
    assert (folder / "samples" / "final.png").stat().st_size > 5000
    chords = [] if "melody" in name else ["chords=C G Am F#m"]
    result = cli("generate", f"run={folder}", *chords, "bars=6", "priming=bwv:253", "priming_bar=2",
                 f"output={tmp_path / 'made, [here]'}")  # fmt: skip
    assert result.code == 0, result.err
    piece = read_piece(tmp_path / "made, [here].mid")
    assert len(piece) >= 4
    suffixes = {path.name.removeprefix("made, [here]") for path in tmp_path.glob("made*")}
    chorded = set() if "melody" in name else {"-with-chords.mid"}
    assert suffixes == {".mid", ".musicxml", ".png", ".wav"} | chorded
    sheet = read_piece(tmp_path / "made, [here].musicxml")
    assert len(sheet.bars) == 7
    symbols = [chord.symbol for chord in sheet.chords]
    assert symbols[-6:] == ([] if "melody" in name else ["C", "G", "Am", "F#m", "C", "G"])
    trained = partimento.load(folder)
    made = trained.bar_by_bar(
        chords[0][7:] if chords else None, 6, priming="bwv:253", priming_bar=2
    )
    assert made.piece.pitch.tolist() == sheet.pitch.tolist()


def test_the_papers_models_are_points_of_the_grid(tmp_path):
    """What they differ in is their chord, where the bar before enters, and two weights."""
    folder = lead_sheets(tmp_path / "tunes")
    found = {
        name: compose_request(
            [f"experiment=midinet_{name}", f"dataset.path={folder}", "accelerator=cpu"], "train"
        ).resolved
        for name in ("melody", "stable", "creative")
    }
    entries = {
        name: {
            key: (e["form"], e["at"]) for key, e in r["model"]["generator"]["conditions"].items()
        }
        for name, r in found.items()
    }
    assert entries == {
        "melody": {"previous": ("2d", "all")},
        "stable": {"previous": ("2d", "one"), "chord": ("1d", "all")},
        "creative": {"previous": ("2d", "all"), "chord": ("1d", "all")},
    }
    weights = {
        name: (matching["input_weight"], matching["weight"])
        for name, r in found.items()
        for matching in [r["model"]["techniques"]["feature_matching"]]
    }
    assert weights == {"melody": (0.1, 1.0), "stable": (0.1, 1.0), "creative": (0.01, 0.01)}
    stable, creative = (found[name] for name in ("stable", "creative"))
    for key in ("dataset", "representation", "trainer", "data"):
        assert stable[key] == creative[key]


@pytest.mark.parametrize("bars", [1, 2])
@pytest.mark.parametrize(
    "changes",
    ["chord.form=2d", "chord.at=one", "previous.form=1d", "previous.at=input chord.at=input"],
)
def test_the_grid_is_config(tmp_path, cache, bars, changes):
    """Each point builds from two words on the command line."""
    changed = [f"model.generator.conditions.{change}" for change in changes.split()]
    if "previous.at=input" in changes:
        changed.append("model.generator.conditions.previous.form=1d")
    asked = overrides("midinet_stable_small", tmp_path, cache, *changed,
                      f"representation.previous={bars}")  # fmt: skip
    model = build(compose_request(asked, "train").resolved).model
    assert model.conditions["previous"].shape == (16 * bars, 1)
    plain = build(compose_request(asked[: -len(changed) - 1], "train").resolved).model
    sizes = [sum(p.numel() for p in m.generator.parameters()) for m in (model, plain)]
    assert sizes[0] != sizes[1]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            "model.generator.conditions.chord.form=3d",
            "conditions.chord.form=3d is wrong: input should",
        ),
        (
            "model.generator.conditions.chord.fomr=2d",
            "Did you mean 'model.generator.conditions.chord.form'?",
        ),
        (
            "representation.chord=none",
            "told how condition 'chord' enters it, and the representation g",
        ),
    ],
)
def test_a_wrong_point_of_the_grid(cli, tmp_path, cache, change, sentence):
    asked = overrides("midinet_stable_small", tmp_path, cache)
    result = cli("train", *asked, change)
    assert result.code == 1
    assert sentence in result.sentence
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (
            ["chords=C Hm G"],
            "The chord 'Hm' cannot be read: 'Hm' does not begin with a note from A",
        ),
        (["bars=4"], "This model makes each bar for a chord"),
        (["chords=C", "count=2"], "chords=… asks for one melody made bar by bar, and count=… for"),
        (["chords=C", "z=x.npy"], "leave z out"),
        (["priming=bwv:253", "interpolate.between=[1,2]"], "leave interpolate.between out"),
        (["chords=C", "priming=bwv:253", "priming_bar=80"], "asks for bar 80 of 'bwv253', which"),
        (["chords=C", "bars=0"], "bars=0 is wrong"),
        (["chords=C", "priming=nowhere.mid"], "nowhere.mid"),
    ],
)
def test_wrong_requests_are_one_sentence(cli, run, asked, sentence):
    result = cli("generate", f"run={run}", *asked)
    assert result.code == 1
    lines = [line for line in result.err.splitlines() if line.strip()]
    assert len(lines) == 1
    assert sentence in lines[0]


def test_chords_for_a_model_of_something_else(cli, tiny_run):
    result = cli("generate", f"run={tiny_run}", "chords=C G", "bars=4")
    assert result.code == 1
    assert "chords, bars and priming are for models of single bars" in result.sentence


@pytest.fixture(scope="module")
def run(tmp_path_factory, cache) -> Path:
    place = tmp_path_factory.mktemp("midinet")
    partimento.train([*overrides("midinet_stable_small", place, cache), "diagnostics=none"])
    (folder,) = only_runs(place)
    return folder


def test_files_are_named_after_what_was_asked(cli, run):
    assert cli("generate", f"run={run}", "chords=C | G7/B").code == 0
    assert (run / "generated" / "melody-C-G7-B-2-bars-seed-0.mid").is_file()


def test_a_model_of_bars_says_how_it_is_asked(cli, run):
    result = cli("generate", f"run={run}", "count=2")
    assert result.code == 1
    assert "name a piece" in result.sentence
    assert 'chords="C G Am F"' in result.sentence


# -- combinations -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        # IMLE with MidiNet's generator and conditions: a combination that no paper has.
        ["model=imle", "model/generator=bar", "model/relaxation=softmax", "model.pool=2"],
        ["model=gan", "model/generator=mlp", "model/discriminator=bar"],
        ["model/techniques=[feature_matching,unrolled]", "model.techniques.unrolled.steps=2"],
        ["model/penalties=r1", "model.discriminator.normalisation=none"],
        ["model.pack=2"],
        ["accelerator.precision=bf16-mixed"],
    ],
)
def test_by_config_alone_it_combines(tmp_path, cache, changes):
    steps = (*STEPS, "diagnostics=none")
    if changes[0].startswith("model="):
        chosen = ["dataset=leadsheets", "representation=bars", *changes]
    else:
        chosen = ["experiment=midinet_stable", *changes]
    places = [f"paths.outputs={tmp_path / 'outputs'}", f"paths.cache={cache}"]
    path = f"dataset.path={lead_sheets(tmp_path / 'tunes')}"
    record = partimento.train([*chosen, *steps, *places, path])
    assert record["counters"]["updates"] == 3
    (folder,) = only_runs(tmp_path)
    assert partimento.load(folder).bar_by_bar("C G", 3).piece.end == 48


def test_a_penalty_and_batch_normalisation_are_refused(tmp_path, cache):
    asked = overrides("midinet_stable", tmp_path, cache, "model/penalties=r1")
    with pytest.raises(UserError, match="batch normalisation in the discriminator mixes"):
        partimento.train(asked)


# -- learning ---------------------------------------------------------------------------------------


def song() -> Piece:
    """Four bars, each another figure on its chord."""
    pitch = [60, 64, 67, 72, 67, 71, 74, 79, 69, 72, 76, 72, 65, 69, 72, 77]
    chords = [Chord(16 * bar, 16, symbol) for bar, symbol in enumerate(("C", "G", "Am", "F"))]
    onset = [4 * beat for beat in range(16)]
    return Piece("song", 4, onset, [4] * 16, pitch, [0] * 16, parts=("melody",),  # type: ignore[arg-type]
                 end=64, bars=lay_bars([(0, 4, 4)], 64, 4), chords=tuple(chords))  # fmt: skip


def trained_on(batch: Batch, bars: Bars, updates: int) -> Adversarial:
    torch.manual_seed(0)
    adam = partial(torch.optim.Adam, lr=3e-3, betas=(0.5, 0.999))
    model = Adversarial(
        bars.distribution,
        bars.conditions,
        generator=partial(BarGenerator, hidden=[32], channels=16),
        discriminator=partial(BarDiscriminator, hidden=[32]),
        objective=NonSaturating(real_label=0.9),
        techniques={"matching": FeatureMatching(weight=1.0, input_weight=0.1)},
        relaxation=Relaxation(hard=False, noise=False),
        generator_optimizer=adam,
        discriminator_optimizer=adam,
        latent=4,
    )
    players = list(model.configure_optimizers())
    model.optimizers = lambda *_: players  # type: ignore[method-assign,assignment]
    model.descend = partial(_descend, players)  # type: ignore[method-assign]
    model.log_every = updates + 1
    for _ in range(updates):
        model.update_discriminator(batch)
        model.update_generator(batch)
    return model.eval()


def _descend(players, loss, index=0):
    players[index].zero_grad()
    loss.backward()
    players[index].step()


def test_one_batch_is_learnt_by_heart():
    """Four bars, 4 times: under chord and bar before, each comes back, and so the whole song."""
    bars = Bars()
    examples = bars.windows(song(), stride=1)
    batch = collate([examples] * 4)
    model = trained_on(batch, bars, 300)
    codes = torch.randn(len(batch), 4, generator=torch.Generator().manual_seed(1))
    made = model.sample(z=codes, condition=batch.condition, temperature=0)
    assert float((made == batch.x).float().mean()) > 0.95
    trained = Trained(model, bars, {}, Path())
    piece = trained.bar_by_bar("C G Am F", 4).piece
    assert float((bars.encode(piece) == bars.encode(song())).mean()) > 0.9


@pytest.mark.full
def test_nottinghams_tunes(tmp_path, cache):
    folder = Path(os.environ.get("PARTIMENTO_TEST_DATA", "")) / "nottingham_abc_cleaned"
    if not os.environ.get("PARTIMENTO_TEST_DATA") or not folder.is_dir():
        pytest.skip("needs nottingham_abc_cleaned in the folder named by PARTIMENTO_TEST_DATA")
    asked = ["experiment=midinet_stable", "dataset=nottingham", f"dataset.path={folder}", *STEPS,
             f"paths.outputs={tmp_path / 'outputs'}", f"paths.cache={cache}"]  # fmt: skip
    assert partimento.train(asked)["counters"]["updates"] == 3
    (made,) = only_runs(tmp_path)
    done = partimento.load(made).bar_by_bar("D A G D", 8)
    assert len(done.piece.chords) == 8


def test_a_file_that_cannot_be_read_is_no_priming(cli, run, tmp_path):
    (tmp_path / "empty.mid").write_bytes(b"")
    with pytest.raises(UserError, match="empty.mid"):
        partimento.load(run).bar_by_bar("C", priming=tmp_path / "empty.mid")
