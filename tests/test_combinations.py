"""Objectives and techniques: each pair is refused in a sentence, or changes what training does."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from functools import cache

import pytest
import torch
from hydra import initialize_config_dir
from pytorch_lightning import Trainer
from torch import Tensor, nn

from partimento.apps.composition import register_resolvers
from partimento.apps.matrix import checked
from partimento.building import build_dataset, build_model, build_representation
from partimento.combinations import as_markdown, overrides_of, pair_refusal
from partimento.config import conf_dir
from partimento.data.batch import Batch
from partimento.data.loader import Beats, EvalLoader, TrainLoader
from partimento.datasets.chorales import read_bach
from partimento.models.adversarial import Adversarial
from partimento.models.catalogue import OBJECTIVES, STABILISATIONS, Objective, Stabilisation
from partimento.representations.base import Representation
from partimento.runs.quiet import quiet_lightning

Pair = tuple[Objective, Stabilisation]

DOCUMENT = conf_dir().parent / "docs" / "objectives.md"
BY_NAME = {objective.name: objective for objective in OBJECTIVES}
PENALISED = {"wasserstein_gp", "dragan", "r1", "r2", "r3gan"}
LABELLED = {"minimax", "non-saturating", "least squares", "dragan", "r1", "r2"}
POSITIVE = {"relativistic", "r3gan", *LABELLED} - {"minimax"}
# Small networks, and a discriminator that is soon ahead, so that it is told to wait.
SLIM = (
    "model.generator.hidden=[16]", "model.discriminator.hidden=[16]", "model.latent=4",
    "model.generator_optimizer.lr=1.0e-3", "model.discriminator_optimizer.lr=1.0e-2",
)  # fmt: skip
ITERATIONS, BATCH = 6, 8


@pytest.fixture(scope="module", autouse=True)
def hydra() -> Iterator[None]:
    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        yield


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@cache
def representation() -> Representation:
    parts = checked([])
    return build_representation(parts, build_dataset(parts))


@cache
def chorale() -> Batch:
    """A batch of windows of a real chorale, which is an epoch."""
    examples = representation().windows(read_bach("253"), stride=1)
    return Batch(torch.as_tensor(examples.x[:BATCH]).long())


def documented() -> dict[tuple[str, str], str | None]:
    """The table as docs/objectives.md has it: for each pair its sentence, or None."""
    text = DOCUMENT.read_text()
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    sentences = dict(re.findall(r"^(\d+)\. (.+)$", text, re.MULTILINE))
    return {
        (row[0].strip("*"), column): None if mark == "✓" else sentences[mark.strip("()")]
        for row in rows[1:]
        for column, mark in zip(rows[0][1:], row[1:], strict=True)
    }


def pairs(*, refused: bool) -> list[Pair]:
    cells = documented()
    every = [(o, t) for o in OBJECTIVES for t in STABILISATIONS]
    return [(o, t) for o, t in every if (cells[o.name, t.name] is not None) == refused]


def fits(objective: str, technique: str) -> bool:
    """Whether two go together, by what they are rather than by what the code says."""
    if objective == "began":
        scores_only = ("norm", "minibatch", "PacGAN", "smoothing", "freezing", "lazy")
        return not any(word in technique for word in scores_only)
    return {
        "label smoothing": objective in LABELLED,
        "freezing": objective in POSITIVE,
        "lazy regularisation": objective in PENALISED,
        "batch norm": objective not in PENALISED,
        "minibatch discrimination": objective not in PENALISED,
        "spectral norm": objective != "wasserstein",
    }.get(technique, True)


def test_the_document_has_every_pair_and_what_it_should_say() -> None:
    cells = documented()
    assert set(cells) == {(o.name, t.name) for o in OBJECTIVES for t in STABILISATIONS}
    assert not [pair for pair, sentence in cells.items() if fits(*pair) != (sentence is None)]


def test_the_document_is_written_by_the_code() -> None:
    assert as_markdown(documented()) in DOCUMENT.read_text()


SENTENCES = {
    "label smoothing": r"model/objective=\w+ has no key 'real_label': it compares scores with mar|"
    r"model/objective=\w+ has no key 'real_label': it(s scores| compares) .* no label to smooth\.$",
    "freezing": r"model\.techniques\.freezing compares the two players' losses, which must both be",
    "lazy regularisation": r"There is no config key 'model\.penalties\.r1\.every' with the .*: r1 has",
    "batch norm": r"model\.penalties\.\w+ takes the gradient of each score by its own example, which"
    r" batch normalisation|model/discriminator=autoencoder has no key 'normalisation': an example's",
    "layer norm": r"model/discriminator=autoencoder has no key 'normalisation': an example's error",
    "minibatch discrimination": r"model\.penalties\.\w+ takes the gradient of each score by its own "
    r"example, which minibatch disc|model/discriminator=autoencoder has no key 'minibatch': an auto",
    "minibatch standard deviation": r"model/discriminator=autoencoder has no key 'minibatch': an au",
    "spectral norm": r"model\.objective\.clip=0\.01 bounds weights that spectral normalisation div|"
    r"model/discriminator=autoencoder has no key 'spectral_norm': it bounds the slope of a score,",
    "PacGAN": r"model\.pack=2 would reward collapse, since equal examples are the easiest to recon",
}


def test_every_refused_pair_says_its_sentence() -> None:
    for objective, technique in pairs(refused=True):
        sentence = pair_refusal(objective, technique, checked, representation())
        assert sentence == documented()[objective.name, technique.name], (objective, technique)
        assert re.match(SENTENCES[technique.name], sentence), sentence
        assert sentence.endswith(".")
        assert "\n" not in sentence


Gradients = dict[int, list[Tensor]]
"""The gradients of the generator (0) and the discriminator (1), one for each update that was made."""


def noting(model: Adversarial) -> Gradients:
    """Make a model note its gradients; an update that a player leaves out is in no list."""
    found: Gradients = {0: [], 1: []}
    descend = model.descend

    def noted(loss: Tensor, index: int | None = None) -> None:
        descend(loss, index)
        player = (model.generator, model.discriminator)[index or 0]
        parts = [p.grad.flatten() for p in player.parameters() if p.grad is not None]
        found[index or 0].append(torch.cat(parts))

    model.descend = noted  # type: ignore[method-assign]
    return found


def begin_alike(player: nn.Module, start: Mapping[str, Tensor]) -> None:
    """Take weights of a player without the technique, as far as both have them."""
    for name, value in player.state_dict().items():
        other = start.get(name.replace("parametrizations.weight.original", "weight"))
        if other is not None:
            both = tuple(slice(min(sizes)) for sizes in zip(value.shape, other.shape, strict=True))
            value[both] = other[both]


def train(
    objective: Objective, technique: Stabilisation | None, start: Mapping[str, Tensor]
) -> tuple[Adversarial, dict[str, Tensor], Gradients]:
    """Train a game on a real chorale; return it, its first weights, and its gradients."""
    added = [] if technique is None else technique.beside(objective)
    resolved = checked([*overrides_of(objective), *SLIM, *added])
    model = build_model(resolved, representation())
    assert isinstance(model, Adversarial)
    begin_alike(model, start)
    first = {name: value.clone() for name, value in model.state_dict().items()}
    gradients = noting(model)
    trainer = Trainer(
        accelerator="cpu", max_epochs=ITERATIONS, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0, limit_val_batches=0,
    )  # fmt: skip
    loader = TrainLoader(chorale(), batch_size=BATCH, seed=0)
    rest = EvalLoader(chorale(), batch_size=BATCH)
    with quiet_lightning():
        trainer.fit(model, Beats(loader), rest)  # type: ignore[arg-type]
    assert model.counters["updates"] == ITERATIONS
    return model, first, gradients


@cache
def plain(objective: Objective) -> tuple[dict[str, Tensor], Gradients]:
    """The first weights and the gradients of an objective without a technique."""
    _, first, gradients = train(objective, None, {})
    return first, gradients


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    """Whether as many updates were made, with the same gradients, bit for bit."""
    return len(one) == len(other) and all(map(torch.equal, one, other))


def fault(objective: Objective, technique: Stabilisation) -> str | None:
    """Train with a technique and without; return what is wrong with the difference."""
    start, before = plain(objective)
    model, first, after = train(objective, technique, start)
    if not all(torch.equal(first[name], start[name]) for name in first if "generator." in name):
        return "the generators do not begin alike"
    if not all(gradient.isfinite().all() for gradient in (*after[0], *after[1])):
        return "a gradient is no number"
    comparable = {gradient.shape for gradient in (*before[1], *after[1])}
    unchanged = same(before[0], after[0]) and (len(comparable) > 1 or same(before[1], after[1]))
    if technique.changes == "gradient":
        return "no gradient is changed" if unchanged else None
    assert model.generator_ema is not None
    weights = zip(model.generator_ema.parameters(), model.generator.parameters(), strict=True)
    if all(torch.equal(average, raw) for average, raw in weights):
        return "the averaged weights are the raw ones"
    return None if unchanged else "an average changed a gradient"


def faults(chosen: list[Pair]) -> list[str]:
    found = [
        (objective.name, technique.name, fault(objective, technique))
        for objective, technique in chosen
    ]
    return [f"{one} with {other}: {what}" for one, other, what in found if what is not None]


def test_each_technique_changes_the_gradient_of_an_objective() -> None:
    """One pair in nine: each technique once."""
    allowed = pairs(refused=False)
    draw = random.Random(2)
    assert not faults([draw.choice([p for p in allowed if p[1] is t]) for t in STABILISATIONS])


def test_what_is_no_technique_changes_nothing() -> None:
    """The same game twice: the differences above come from the techniques alone."""
    nothing = Stabilisation("nothing", "", "", ())
    for objective in (BY_NAME["r3gan"], BY_NAME["began"]):
        assert fault(objective, nothing) == "no gradient is changed"


@pytest.mark.full
def test_every_allowed_pair_changes_the_gradient() -> None:
    assert not faults(pairs(refused=False))


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: objective.name)
def test_the_penalties_of_an_objective_are_those_that_it_names(objective: Objective) -> None:
    node = checked(overrides_of(objective))["model"]
    assert tuple(node.get("penalties", {})) == objective.penalties
