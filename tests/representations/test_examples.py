"""Rolls, melodies and note tuples as the data module makes them of chorales, from their configs."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from partimento.building import build_representation
from partimento.config import DataConfig, conf_dir
from partimento.data.module import MusicDataModule
from partimento.datasets.chorales import Chorales

# Windows of the validation split by four bars, or whole pieces.
SHAPES = {
    "pianoroll": ({}, (64, 176)),
    "melody": ({}, (64,)),
    "note_tuples": ({"steps": 40, "tones": 3}, (40, 12)),
}


def module_of(name: str, cache, **options) -> MusicDataModule:
    node = OmegaConf.to_container(OmegaConf.load(conf_dir() / "representation" / f"{name}.yaml"))
    dataset = Chorales(metre="4/4")
    representation = build_representation({"representation": node | options}, dataset)
    return MusicDataModule(dataset, representation, DataConfig(), cache=str(cache))


@pytest.mark.parametrize("name", SHAPES)
def test_windows_are_what_the_distribution_says(name, cache):
    options, shape = SHAPES[name]
    module = module_of(name, cache, **options)
    batch = module.examples("valid")
    distribution = module.representation.distribution
    assert tuple(batch.x.shape[1:]) == shape == distribution.shape
    assert batch.lengths is None
    assert len(batch) >= 32
    features = distribution.features(batch.x[:4])
    assert tuple(features.shape[1:]) == distribution.feature_shape
    assert (distribution.log_prob(features, batch.x[:4]) < 0.5).all()
    music = module.representation.decode(batch.x[0].numpy())
    assert len(music) > 10


@pytest.mark.parametrize("name", SHAPES)
def test_whole_pieces_have_lengths(name, cache):
    whole = {"note_tuples": {"steps": None}}.get(name, {"bars": None})
    module = module_of(name, cache, **whole)
    batch = module.examples("valid")
    pieces = module.pieces("valid")
    representation = module.representation
    assert representation.distribution.shape[0] is None
    assert batch.lengths.tolist() == [len(representation.encode(piece)) for piece in pieces]
    mask = batch.step_mask()
    assert mask.sum().item() == batch.lengths.sum().item()
    first = batch.x[0][: batch.lengths[0]].numpy()
    back = representation.decode(first, pieces[0].frame())
    assert (
        back.pitch.tolist()
        == representation.decode(representation.encode(pieces[0])).pitch.tolist()
    )
