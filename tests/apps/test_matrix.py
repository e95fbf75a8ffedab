"""`partimento matrix`: the document of objectives and techniques, and that `train` says the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from partimento.config import conf_dir


@pytest.mark.full
def test_the_document_is_the_one_of_the_code(cli: Callable[..., object], tmp_path: Path) -> None:
    result = cli("matrix", "table=objectives", f"output={tmp_path / 'a, b' / 'objectives.md'}")
    assert result.code == 0, result.err
    written = (tmp_path / "a, b" / "objectives.md").read_text()
    assert written == (conf_dir().parent / "docs" / "objectives.md").read_text()
    assert "wasserstein_gp" in result.out


@pytest.mark.parametrize(
    "chosen",
    [
        "model/objective=r1 model.discriminator.normalisation=batch",
        "model/objective=hinge model.objective.real_label=0.9",
        "model/objective=least_squares model.penalties.r1.every=16",
        "model/objective=began model/discriminator=autoencoder model.pack=2",
        "model/objective=began model/discriminator=autoencoder model.discriminator.minibatch=none",
    ],
)
def test_training_refuses_with_a_sentence_of_the_document(
    cli: Callable[..., object], tmp_path: Path, chosen: str
) -> None:
    result = cli("train", "model=gan", *chosen.split(), f"paths.outputs={tmp_path}")
    assert result.code == 1
    sentence = result.sentence.removeprefix("partimento: ")
    assert f". {sentence}\n" in (conf_dir().parent / "docs" / "objectives.md").read_text()
    assert not list(tmp_path.iterdir())


def test_a_table_that_is_none(cli: Callable[..., object]) -> None:
    result = cli("matrix", "table=models")
    assert result.code == 1
    assert result.sentence.endswith(
        ": table=models is wrong: input should be 'products' or 'objectives'."
    )
