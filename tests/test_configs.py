"""Every shipped option of every config group: it composes, builds, and takes its first steps."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from conftest import only_runs

import partimento
from partimento.apps.composition import compose_request
from partimento.building import build
from partimento.config import conf_dir
from partimento.distributions import Categorical
from partimento.errors import UserError
from partimento.formats.files import read_piece
from partimento.losses import SigmoidObjective

ALL = sorted(
    (str(path.parent.relative_to(conf_dir())), path.stem) for path in conf_dir().glob("*/**/*.yaml")
)
# Products of these three are the matter of test_compatibility.py.
LIKELIHOODS = (("model/objective", "softmax"), ("model/objective", "sigmoid"))
PLAYERS = tuple(
    f"model/{part}"
    for part in (
        "generator",
        "discriminator",
        "objective",
        "relaxation",
        "penalties",
        "techniques",
        "optimizers",
    )
)
# Options of an adversarial model.
GAMES = [pair for pair in ALL if pair[0] in PLAYERS and pair not in LIKELIHOODS]
# Experiments with a generator of latent codes; what two of them share is no option by itself.
SYSTEMS = [
    pair
    for pair in ALL
    if pair[0] == "experiment" and re.match("gan_|imle_|began_|style_gan_", pair[1])
]
OPTIONS = [
    pair
    for pair in ALL
    if pair[0] not in ("dataset", "representation", "model", "experiment/shared")
    and pair not in (*GAMES, *SYSTEMS)
]
PRIMARY = sorted(path.stem for path in conf_dir().glob("*.yaml"))
FEW = ("trainer.max_updates=2", "trainer.max_epochs=1", "trainer.limit_train_batches=3")


def with_option(overrides: list[str], group: str, option: str) -> list[str]:
    """Return tiny overrides with one group's option chosen, and nothing of that group overridden."""
    node = group.replace("/", ".")
    kept = [
        text
        for text in overrides
        if not text.startswith((f"{group}=", f"{node}.")) or text.startswith(FEW)
    ]
    return [*kept, f"{group}={option}"]


# Experiments on points and synthetic chorales have tests of their own: test_known_laws.py.
LAWS = ("ring", "ring_imle", "grid", "grid_imle", "modes")
OPTIONS = [pair for pair in OPTIONS if pair[0] != "experiment" or pair[1] not in LAWS]
# Systems with a test file of their own, such as test_c_rnn_gan.py.
OWN = ("c_rnn_gan", "next_event")
OPTIONS = [pair for pair in OPTIONS if not pair[1].startswith(OWN)]
# One watches a discriminator, which the default model has not, and one takes its time to learn:
# diagnostics/test_discriminator.py and evaluation/test_encoder.py.
OPTIONS.remove(("diagnostics", "discriminator"))
OPTIONS.remove(("diagnostics", "mode_collapse_encoded"))
OPTIONS = [pair for pair in OPTIONS if not pair[1].startswith("midinet_")]  # test_midinet.py


def test_the_groups_are_found():
    assert {"model", "dataset", "trainer", "accelerator"} <= {group for group, _ in ALL}
    assert {"train", "generate", "evaluate"} <= set(PRIMARY)
    assert len(OPTIONS) >= 15


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_an_option_composes_builds_and_takes_a_step(tiny, tmp_path, group, option):
    overrides = with_option(tiny(*FEW), group, option)
    if (group, option) == ("accelerator", "gpu") and not torch.cuda.is_available():
        with pytest.raises(UserError, match="asks for a GPU, but torch finds none here"):
            partimento.train(overrides)
        return
    if (group, option) == ("accelerator", "ddp"):
        # Several processes have a test of their own.
        parts = build(compose_request([*overrides, "accelerator.device=cpu"], "train").resolved)
        assert sum(p.numel() for p in parts.model.parameters()) > 0
        return
    record = partimento.train(overrides)
    assert record["status"] == "finished"
    assert record["counters"]["updates"] == 2
    assert 0 < record["metrics"]["test/nll"] < 20
    (folder,) = only_runs(tmp_path)
    trained = partimento.load(folder)
    assert trained.config["seed"] == 0
    assert trained.model.counters["updates"] > 0


def game(overrides: list[str], *chosen: str) -> list[str]:
    """Return tiny overrides of an adversarial model."""
    slim = ("model.generator.hidden=[8]", "model.discriminator.hidden=[8]", "model.latent=4")
    kept = [text for text in overrides if not text.startswith("model.hidden")]
    return [*kept, "model=gan", *slim, *chosen]


@pytest.mark.parametrize(("group", "option"), GAMES)
def test_an_option_of_a_game_takes_a_step(tiny, tmp_path, group, option):
    partner = {
        "began": ["model/discriminator=autoencoder"],
        "autoencoder": ["model/objective=began"],
        "convolutional_autoencoder": ["model/objective=began"],
    }
    chosen = [f"{group}={option}", *partner.get(option, [])]
    record = partimento.train(game(tiny(*FEW), *chosen))
    assert record["status"] == "finished"
    assert record["counters"]["updates"] == record["counters"]["discriminator_updates"] == 2
    (folder,) = only_runs(tmp_path)
    piece = partimento.load(folder).sample(1, seed=0)[0]
    assert piece.parts == ("soprano", "alto", "tenor", "bass")


@pytest.mark.parametrize(("group", "option"), SYSTEMS)
def test_a_system_takes_steps_and_makes_music(tiny, tmp_path, group, option):
    kept = [text for text in tiny(*FEW) if not text.startswith("model.hidden")]
    overrides = [*kept, f"{group}={option}", "model.generator.hidden=[8]"]
    record = partimento.train(with_option(overrides, "diagnostics", "samples"))
    assert record["status"] == "finished"
    assert record["counters"]["updates"] == 2
    (folder,) = only_runs(tmp_path)
    last = "final-ema" if partimento.load(folder).config["model"].get("ema") else "final"
    assert (folder / "samples" / f"{last}.png").stat().st_size > 5000
    piece = read_piece(folder / "samples" / f"{last}.mid")
    assert len(piece) > 0
    assert piece.end > 4 * piece.resolution  # of eight or twelve quarter notes


@pytest.mark.parametrize("corpus", ["celtic", "chorales"])
def test_gan_and_imle_differ_in_one_word(corpus):
    """They learn from the same data with the same generator."""
    gan, imle = (
        compose_request([f"experiment={name}_{corpus}", "accelerator=cpu"], "train").resolved
        for name in ("gan", "imle")
    )
    assert (gan["model"]["name"], imle["model"]["name"]) == ("gan", "imle")
    for section in ("dataset", "representation", "data", "strategy", "diagnostics"):
        assert gan[section] == imle[section]
    for key in ("generator", "latent", "latent_kind"):
        assert gan["model"][key] == imle["model"][key]
    assert gan["model"]["relaxation"]["noise"] is imle["model"]["relaxation"]["noise"] is False


@pytest.mark.parametrize("name", PRIMARY)
def test_a_primary_config_composes(name):
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from partimento.apps.composition import register_resolvers

    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose(name)
    content = OmegaConf.to_container(config, resolve=True)
    assert isinstance(content, dict)
    assert "trusted_packages" in content


@pytest.mark.parametrize("path", sorted(conf_dir().rglob("*.yaml")), ids=lambda path: path.stem)
def test_a_config_file_says_what_it_is(path: Path):
    """The first comment is a sentence; nothing but groups' packages may stand before it."""
    lines = path.read_text().splitlines()
    if re.match(r"# @package \S+$", lines[0]):
        lines = lines[1:]
    assert re.match(r"# \S.{15,}", lines[0]), lines[0]
    assert yaml.safe_load(path.read_text()) is not None


def test_the_schemas_defaults_are_the_shipped_ones():
    """Who builds a data module or trainer in a notebook gets what the command would give."""
    from partimento.config import AcceleratorConfig, DataConfig, TrainerConfig
    from partimento.config.schema import data_config, section

    resolved = compose_request(["accelerator=auto"], "train").resolved
    assert section(TrainerConfig, resolved["trainer"]) == TrainerConfig()
    assert section(AcceleratorConfig, resolved["accelerator"]) == AcceleratorConfig()
    assert data_config(resolved) == DataConfig()


def test_a_combination_that_no_paper_has(cli, tiny, tmp_path):
    """Soprano and alto over a given tenor and bass, linear, independent sigmoids: by config alone."""
    overrides = [
        *with_option(tiny(), "model/objective", "sigmoid"),
        "model.given=[tenor,bass]",
        "model.hidden=[]",
        "representation.bars=1",
    ]
    overrides.remove("model.hidden=[8]")
    result = cli("train", *overrides)
    assert result.code == 0, result.err
    (folder,) = only_runs(tmp_path)
    record = json.loads((folder / "run.json").read_text())
    # Alphabets of 27, 24, 24 and 31 symbols over 16 steps; a linear map has no other weights.
    inputs, outputs = 16 * (24 + 31), 16 * (27 + 24)
    assert record["parameters"] == inputs * outputs + outputs
    model = partimento.load(folder).model
    assert isinstance(model.objective, SigmoidObjective)
    assert model.predicted_voices == ("soprano", "alto")
    assert isinstance(model.output_distribution, Categorical)
    rows = record["metrics"]
    assert {"test/accuracy/soprano", "test/accuracy/alto"} <= set(rows)
    assert not {"test/accuracy/tenor", "test/accuracy/bass"} & set(rows)
    # A few updates bring it below the 24.5 equally likely symbols of a cell that it begins with.
    assert rows["test/nll"] < 3.0
