"""A run on points of the plane, from the command line to its folder; and what does not go with it."""

from __future__ import annotations

import json
import math
import re
import textwrap

import pytest
from conftest import only_runs

import partimento
from partimento.errors import UserError

MODEL = '''
    """A stranger's model: one normal distribution, whose mean is learned."""

    import torch

    from partimento.models.base import Evaluation, Model


    class Blob(Model):
        draws = True

        def __init__(self, distribution, conditions=None, metrics=None, lr: float = 0.1):
            super().__init__(distribution, conditions, metrics)
            self.mean = torch.nn.Parameter(torch.zeros(distribution.parameter_shape))
            self.lr = lr
            self.automatic_optimization = False

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=self.lr)

        def training_step(self, source, batch_idx):
            for _ in range(self.draws_of_round(source)):
                batch = self.draw(source)
                loss = -self.distribution.log_prob(self.mean.expand(batch.x.shape), batch.x).mean()
                self.descend(loss)
                self.counted_loss(loss)

        def evaluate(self, batch):
            mask = torch.ones_like(batch.x, dtype=torch.bool)
            mean = self.mean.expand(batch.x.shape)
            return Evaluation(self.distribution.log_prob(mean, batch.x), None, mask)

        def sample(self, n=None, *, generator=None, temperature=1.0, **_):
            mean = self.mean.detach().expand(n, *self.mean.shape)
            return self.distribution.sample(mean, 1.0, generator)
'''


@pytest.fixture
def blob(tmp_path, monkeypatch):
    """Overrides of a run with a model of points."""
    (tmp_path / "stranger_blob.py").write_text(textwrap.dedent(MODEL))
    conf = tmp_path / "conf" / "model"
    conf.mkdir(parents=True)
    conf.joinpath("blob.yaml").write_text("name: blob\n_target_: stranger_blob.Blob\nlr: 0.1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return [
        f"hydra.searchpath=[file://{conf.parent}]",
        "trusted_packages=[stranger_blob]",
        "model=blob",
        "trainer=quick",
        "trainer.max_epochs=1",
        "trainer.progress_bar=false",
        "accelerator=cpu",
        "accelerator.threads=1",
        "logger=csv",
        "representation=points",
        "dataset.samples=2000",
        f"paths.outputs={tmp_path / 'outputs'}",
        "paths.cache=null",
    ]


@pytest.mark.parametrize(
    ("dataset", "spread"), [("ring", 1 + 2 * 0.01**2), ("grid", 2 * (8 + 0.05**2))]
)
def test_a_run_on_points(cli, blob, tmp_path, dataset, spread):
    """Both benchmarks have mean 0, so the likelihood of the best blob follows from their spread."""
    result = cli("train", *blob, f"dataset={dataset}", "diagnostics=samples")
    assert result.code == 0, result.err
    (folder,) = only_runs(tmp_path / "outputs")
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["data"]["windows"] == {"train": 2000, "valid": 200, "test": 200}
    # One likelihood per point: ln(2 pi) + E|x|^2 / 2.
    assert record["metrics"]["test/nll"] == pytest.approx(
        math.log(2 * math.pi) + spread / 2, rel=0.1
    )
    assert [path.name for path in (folder / "samples").iterdir()] == ["final.png"]
    card = json.loads((folder / "dataset_card.json").read_text())
    assert card["title"].startswith("Synthetic: ")
    manifest = json.loads((folder / "split_manifest.json").read_text())
    assert manifest["splits"]["train"] == [f"2000 points of the stream {dataset}/0/train"]
    assert manifest["hash"] == record["data"]["split_manifest"]
    trained = partimento.load(folder, trusted_packages=["stranger_blob"])
    assert trained.model.sample(7).shape == (7, 1, 2)
    with pytest.raises(
        UserError, match=r"^representation=points holds points of the plane, which "
    ):
        trained.sample(2)
    result = cli("train", *blob, f"dataset={dataset}", "diagnostics=samples")
    assert result.code == 0
    assert len(only_runs(tmp_path / "outputs")) == 1


PAIRS = [
    (
        "dataset=ring",
        "representation=multivoice",
        "representation=multivoice holds music, but the dataset gives points: take a "
        "representation of points, or a dataset of music.",
    ),
    (
        "dataset=chorales",
        "representation=points",
        "representation=points holds points, but the dataset gives music: take a "
        "representation of music, or a dataset of points.",
    ),
    (
        "dataset=grid",
        "representation=points",
        "A feedforward harmoniser such as minibach needs a categorical grid with given voices; ",
    ),
]


@pytest.mark.parametrize(("dataset", "representation", "sentence"), PAIRS)
def test_what_does_not_go_together(cli, tiny, tmp_path, dataset, representation, sentence):
    result = cli("train", *tiny(dataset, representation))
    assert result.code == 1
    assert result.err.startswith(f"partimento: {sentence}")
    assert result.err.count("\n") == 1
    assert not (tmp_path / "outputs").exists()


def test_points_can_be_inspected(cli, tmp_path):
    result = cli(
        "inspect", "dataset=ring", "representation=points", f"output={tmp_path}", "cache=null"
    )
    assert result.code == 0, result.err
    assert "8 Gaussians on a circle" in result.out
    assert "100,000 examples of 1 x 2" in result.out
    assert [path.name for path in tmp_path.iterdir()] == ["examples.png"]


def test_the_matrix_tells_points_from_music():
    from hydra import compose, initialize_config_dir

    from partimento.apps.composition import register_resolvers
    from partimento.compatibility import matrix, nodes
    from partimento.config import conf_dir

    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        datasets, representations = nodes("dataset", compose), nodes("representation", compose)
    cells = matrix(datasets, representations, {})
    for (dataset, representation), cell in cells.items():
        fits = (dataset in ("ring", "grid")) == (representation == "points")
        told = cell.reason is not None and bool(
            re.match(r"representation=\w+ holds (points|music), but", cell.reason)
        )
        assert told == (not fits), (dataset, representation)
