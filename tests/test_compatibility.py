"""What goes with what: two tables, every refusal in a sentence, and a step of the allowed products."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from sources import overrides_of

import partimento
from partimento.compatibility import Cell, as_markdown, matrix, nodes, options
from partimento.config import conf_dir
from partimento.errors import UserError

Cells = dict[tuple[str, str], Cell]

POINTS = {"ring", "grid"}
DECLARED = {  # datasets that promise the parts of every piece, and their ranges
    "celtic", "chorales", "chorale_modes", "stacked_chorale", "chorale_leadsheets", "leadsheets",
    "nottingham",
}  # fmt: skip
WITHOUT_CHORDS = {
    "celtic", "chorales", "chorale_modes", "stacked_chorale", "jsb_chorales", "nottingham_rolls",
    "musedata", "piano_midi", "lakh", "maestro", "pop909", "classical_midi",
}  # fmt: skip
# Only the notes tell that these are no melodies.
POLYPHONIC = {
    (name, "abc") for name in ("jsb_chorales", "nottingham_rolls", "musedata", "piano_midi")
}
FOUR_VOICES = {"chorales", "chorale_modes", "stacked_chorale"}
REASONS = (
    r"representation=\w+ holds (points|music), but the dataset gives (points|music): ",
    r"representation=multivoice needs a dataset with fixed parts and ranges",
    r"representation=abc holds one melody, but the dataset gives the parts ",
    r"representation=bars needs pieces with chord symbols, which this dataset has not",
    r"A feedforward harmoniser such as minibach needs a categorical grid with given voices",
    r"A generator from latent codes makes examples of one length",
    r"model\.given names no voice 'soprano' of the representation",
)
# Networks of a size at which hundreds of products are tried in minutes.
SLIM = {
    "gan": ["model.generator.hidden=[4]", "model.discriminator.hidden=[4]", "model.latent=4"],
    "imle": ["model.generator.hidden=[4]", "model.latent=4", "model.pool=2", "model.rematch=2"],
}
STEPS = ("trainer.max_updates=2", "trainer.max_epochs=1", "trainer.limit_train_batches=2")
SMALL = (
    "trainer.batch_size=8", "trainer.progress_bar=false", "accelerator=cpu",
    "accelerator.threads=1", "logger=none", "diagnostics=none", "data.transpose=false",
    "data.stride=8", "data.eval_stride=8",
)  # fmt: skip


@pytest.fixture(scope="module")
def cells() -> Cells:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return matrix(*(nodes(group, compose) for group in ("dataset", "representation", "model")))


def fits(dataset: str, representation: str) -> bool:
    """Whether two go together, by what they are rather than by what the code says."""
    if (dataset in POINTS) != (representation == "points"):
        return False
    if representation == "multivoice":
        return dataset in DECLARED
    if representation == "abc":
        return dataset not in FOUR_VOICES
    return representation != "bars" or dataset not in WITHOUT_CHORDS


def takes(model: str, dataset: str, representation: str) -> bool:
    """Whether a model takes a product that there is."""
    if model == "minibach":
        return representation == "multivoice" and dataset in FOUR_VOICES
    return model == "marginal" or representation not in ("frames", "abc")


def test_every_option_is_in_the_table(cells: Cells) -> None:
    products = {(d, r) for d in options("dataset") for r in options("representation")}
    assert set(cells) == products
    for cell in cells.values():
        assert set(cell.models) == (set() if cell.reason else set(options("model")))


def test_datasets_and_representations(cells: Cells) -> None:
    wrong = [pair for pair, cell in cells.items() if fits(*pair) != (cell.reason is None)]
    assert not wrong


def test_models(cells: Cells) -> None:
    wrong = [
        (model, *pair)
        for pair, cell in cells.items()
        for model, reason in cell.models.items()
        if takes(model, *pair) != (reason is None)
    ]
    assert not wrong


def refusals(cells: Cells) -> Iterator[str]:
    for cell in cells.values():
        yield from filter(None, [cell.reason, *cell.models.values()])


def test_every_refusal_is_a_known_sentence(cells: Cells) -> None:
    found = set(refusals(cells))
    assert found
    for sentence in found:
        assert any(re.match(reason, sentence) for reason in REASONS), sentence
        assert sentence.endswith(".")
        assert "\n" not in sentence
    for reason in REASONS:
        assert any(re.match(reason, sentence) for sentence in found), reason


def test_a_refused_product_says_the_same_when_it_is_trained(cells: Cells, tmp_path: Path) -> None:
    refused = sorted(pair for pair, cell in cells.items() if cell.reason)
    for dataset, representation in random.Random(0).sample(refused, 5):
        with pytest.raises(UserError) as caught:
            partimento.train(overrides(dataset, representation, "marginal", tmp_path))
        assert str(caught.value) == cells[dataset, representation].reason
    assert not (tmp_path / "outputs").exists()


def overrides(dataset: str, representation: str, model: str, folder: Path) -> list[str]:
    """Return a run of two updates of a product."""
    return [
        f"dataset={dataset}", f"representation={representation}", f"model={model}",
        f"paths.outputs={folder / 'outputs'}", *overrides_of(dataset, folder / "sources"),
        *SMALL, *STEPS, *SLIM.get(model, []),
        *(["representation.steps=32"] if representation == "note_tuples" else []),
    ]  # fmt: skip


def allowed(cells: Cells) -> list[tuple[str, str, str]]:
    return sorted(
        (*pair, model)
        for pair, cell in cells.items()
        for model, reason in cell.models.items()
        if reason is None
    )


def failures(products: list[tuple[str, str, str]], folder: Path, cache: Path) -> list[str]:
    """Take steps with every product and return what went wrong, one line each."""
    found = []
    for index, product in enumerate(products):
        chosen = overrides(*product, folder / str(index))
        if product[:2] in POLYPHONIC:
            with pytest.raises(UserError, match="No piece of the train split gives a window"):
                partimento.train(chosen)
            continue
        try:
            record = partimento.train([*chosen, f"paths.cache={cache}"])
        except Exception as error:  # every product is to be told, not the first only
            found.append(f"{product}: {type(error).__name__}: {error}")
            continue
        if record["status"] != "finished" or not record["counters"]["updates"]:
            found.append(f"{product}: {record['status']}, {record['counters']}")
    return found


def test_a_sample_of_the_allowed_products_takes_steps(
    cells: Cells, tmp_path: Path, cache: Path
) -> None:
    products = allowed(cells)
    assert not failures(random.Random(1).sample(products, 8), tmp_path, cache)


@pytest.mark.full
def test_every_allowed_product_takes_steps(cells: Cells, tmp_path: Path, cache: Path) -> None:
    assert not failures(allowed(cells), tmp_path, cache)


def test_the_table_in_the_documentation_is_the_one_of_the_code(cells: Cells) -> None:
    written = (conf_dir().parent / "docs" / "matrix.md").read_text()
    assert as_markdown(cells) in written
