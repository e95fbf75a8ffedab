"""generate mix=…: styles of two chorales and of two codes, which layers, and what cannot be mixed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import TINY, only_runs

import partimento
from partimento.datasets.chorales import PARTS
from partimento.formats.files import read_piece
from partimento.generation import inversion
from partimento.generation.inversion import music_of_styles
from partimento.generation.styles import mixed_styles
from partimento.music import Piece

FEW = ["trainer.max_updates=4", "trainer.max_epochs=1", "trainer.limit_train_batches=4"]
SMALL = [
    "representation.bars=2", "representation.steps_per_bar=8", "model.discriminator.hidden=[8]",
    "model.latent=5", "model.relaxation.noise=false",
]  # fmt: skip


def trained_run(outputs: Path, cache: Path, *chosen: str) -> Path:
    kept = [text for text in TINY if not text.startswith(("model.", "trainer.limit"))]
    places = [f"paths.outputs={outputs}", f"paths.cache={cache}"]
    partimento.train([*kept, *FEW, *places, "model=gan", *SMALL, *chosen])
    (folder,) = only_runs(outputs)
    return folder


@pytest.fixture(scope="session")
def styled(tmp_path_factory, cache) -> Path:
    options = ["hidden=[12,12]", "style=12", "mapping_layers=2"]
    chosen = ["model/generator=style", *(f"model.generator.{text}" for text in options)]
    return trained_run(tmp_path_factory.mktemp("styled") / "outputs", cache, *chosen)


@pytest.fixture(autouse=True)
def short_descent(monkeypatch) -> None:
    """A style need not be a good one here; how good it gets is the matter of test_inversion.py."""
    monkeypatch.setitem(inversion.invert.__kwdefaults__, "steps", 20)


def notes(piece: Piece) -> list[tuple[float, int, int]]:
    onsets = (piece.onset / piece.resolution).tolist()
    return sorted(zip(onsets, piece.pitch.tolist(), piece.part.tolist(), strict=True))


def mixtures(folder: Path) -> list[list[tuple[float, int, int]]]:
    return [notes(read_piece(path)) for path in sorted(folder.glob("mixture-*.mid"))]


def test_two_chorales_layer_by_layer(cli, styled, tmp_path):
    result = cli("generate", f"run={styled}", "mix=[bwv:253,bwv:254]", f"output={tmp_path / 'a'}")
    assert result.code == 0, result.err
    written = mixtures(tmp_path / "a")
    assert len(written) == 5  # none of four layers, one, … all
    assert read_piece(tmp_path / "a" / "mixture-01.mid").parts == PARTS
    assert (tmp_path / "a" / "sheet.png").stat().st_size > 5000
    assert not (tmp_path / "a" / "codes.npy").exists()
    other = cli("generate", f"run={styled}", "mix=[bwv:254,bwv:253]", f"output={tmp_path / 'b'}")
    assert other.code == 0, other.err
    turned = mixtures(tmp_path / "b")
    assert (turned[0], turned[-1]) == (written[-1], written[0])


def test_two_codes_with_chosen_layers(cli, styled):
    result = cli("generate", f"run={styled}", "mix=[1,2]", "layers=[0,1]")
    assert result.code == 0, result.err
    written = mixtures(styled / "generated" / "mix-1-2-layers-0-1")
    trained = partimento.load(styled)
    network = trained.model.generator
    with torch.no_grad():
        first, second = (network.per_layer(network.styles(trained.codes(seed=s))) for s in (1, 2))
    every = torch.cat([first, second, mixed_styles(first, second, [0, 1])])
    x = music_of_styles(trained.model, every)
    assert written == [notes(trained.representation.decode(row)) for row in x.numpy()]
    assert len({str(piece) for piece in written}) == 3


def test_a_code_goes_with_a_chorale(cli, styled):
    assert cli("generate", f"run={styled}", "mix=[3,bwv:253]").code == 0
    assert len(mixtures(styled / "generated" / "mix-3-bwv253")) == 5


def test_truncated_samples_by_strategy(cli, styled, tmp_path):
    """Without noise and towards the mean style, all samples are one."""
    shared = ["count=3", "strategy=truncation", "strategy.noise=false"]
    for psi in (0, 1):
        out = f"output={tmp_path / str(psi)}"
        result = cli("generate", f"run={styled}", *shared, f"strategy.psi={psi}", out)
        assert result.code == 0, result.err
    alike, free = (
        {str(notes(read_piece(path))) for path in (tmp_path / name).glob("sample-*.mid")}
        for name in ("0", "1")
    )
    assert (len(alike), len(free)) == (1, 3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["mix=[1,2]", "count=3"], "mix=… says which styles, and so does count=…"),
        (["mix=[1,2]", "interpolate.between=[1,2]"], "so does interpolate.between=…"),
        (["layers=[1]", "count=3"], "layers=… says which layers take the second style"),
        (["mix=[1,2]", "layers=[0,4]"], "layers names layer 4, and this generator has layers 0"),
        (["mix=[1,2,3]"], "mix=[1, 2, 3] is wrong"),
        (["mix=[bwv:253,bwv:99999]"], "99999"),
    ],
)
def test_what_cannot_be_mixed(cli, styled, arguments, sentence):
    result = cli("generate", f"run={styled}", *arguments)
    assert result.code == 1
    assert sentence in result.sentence
    assert "Traceback" not in result.err


def test_a_model_without_styles(cli, tmp_path, cache):
    plain = trained_run(tmp_path / "outputs", cache, "model.generator.hidden=[8]")
    for arguments in (["mix=[1,2]"], ["count=2", "strategy=truncation"]):
        result = cli("generate", f"run={plain}", *arguments)
        assert result.code == 1
        assert "Styles are those of model/generator=style" in result.sentence
