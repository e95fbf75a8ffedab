"""Experiments on laws that are known: each trains by its name alone, and is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import only_runs
from test_configs import LAWS

import partimento
from partimento.apps.composition import compose_request
from partimento.building import build

FEW = (
    "trainer.max_updates=2",
    "trainer.max_epochs=1",
    "trainer.progress_bar=false",
    "logger=csv",
    "accelerator=cpu",
    "accelerator.threads=1",
    "paths.cache=null",
)


@pytest.mark.parametrize("name", LAWS)
def test_an_experiment_takes_steps_and_draws(tmp_path, name):
    small = "dataset.samples=300"
    record = partimento.train([f"experiment={name}", small, *FEW, f"paths.outputs={tmp_path}"])
    assert record["status"] == "finished"
    assert record["counters"]["updates"] == 2
    (folder,) = only_runs(tmp_path)
    assert (folder / "samples" / "final.png").stat().st_size > 5000
    assert partimento.load(folder).model.sample(3).shape[0] == 3


@pytest.mark.parametrize(("name", "modes"), [("ring", 8), ("ring_imle", 8), ("grid", 25)])
def test_the_modes_are_distinct(name, modes):
    """Eight angles with both ends of the circle among them would be seven places."""
    parts = build(compose_request([f"experiment={name}", "accelerator=cpu"], "train").resolved)
    centres = parts.dataset.oracle.centres
    assert len(np.unique(centres.round(6), axis=0)) == modes
    points = parts.dataset.examples("valid").x.reshape(-1, 2)
    nearest = np.linalg.norm(points[:, None] - centres, axis=-1).argmin(axis=1)
    assert len(np.unique(nearest)) == modes


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_gan_and_imle_have_one_generator(name):
    game, implicit = (
        compose_request([f"experiment={which}", "accelerator=cpu"], "train").resolved
        for which in (name, f"{name}_imle")
    )
    assert (game["model"]["name"], implicit["model"]["name"]) == ("gan", "imle")
    for section in ("dataset", "representation"):
        assert game[section] == implicit[section]
    for key in ("generator", "latent", "latent_kind"):
        assert game["model"][key] == implicit["model"][key]
