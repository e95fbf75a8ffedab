"""The study of stabilisation: what an update costs, which models it trains, and its page."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from partimento.datasets.mixtures import Ring

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "stabilisation.json"


@pytest.fixture
def study() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import stabilisation

        yield stabilisation
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture
def result() -> dict[str, Any]:
    if not RESULT.exists():
        pytest.skip("the study has not been run")
    return json.loads(RESULT.read_text())


def flops(study: ModuleType, dataset: str, method: str) -> float:
    """Return the multiplications of an update over those of a plain game's update."""
    examples = torch.from_numpy(Ring(samples=400).examples("train").x)
    counted = []
    for name in (method, "non_saturating"):
        stack = study.stack_of(dataset, study.RECIPES[dataset][name], [1000], examples)
        stack.iterate()
        with FlopCounterMode(display=False) as counter:
            stack.iterate()
        counted.append(counter.get_total_flops())
    return counted[0] / counted[1]


@pytest.mark.parametrize(
    "method", ["non_saturating_k5", "lsgan", "wgan_gp_k5", "r3gan", "unrolled5", "imle"]
)
def test_passes_are_what_updates_cost(study: ModuleType, method: str) -> None:
    rule = study.RECIPES["ring"]
    stated = study.passes(rule[method]) / study.passes(rule["non_saturating"])
    # Backward passes are shorter where no gradient of the input or of the weights is asked for.
    assert flops(study, "ring", method) == pytest.approx(stated, rel=0.25)


def test_rates_hold_and_then_fall(study: ModuleType) -> None:
    factors = [study.rate_factor(update, 1000) for update in (0, 499, 500, 750, 999)]
    assert factors == pytest.approx([1, 1, 1, 0.5, 0.002])


def test_a_kill_costs_one_cell(
    study: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = study.RECIPES["ring"]
    kept = {name: recipes[name] for name in ("non_saturating", "pacgan2", "imle")}
    monkeypatch.setitem(study.RECIPES, "ring", kept)
    monkeypatch.delitem(study.DATASETS, "grid")
    monkeypatch.setitem(study.SEEDS, "ring", range(2))
    monkeypatch.setitem(study.UPDATES, "ring", 10)
    monkeypatch.setattr(study, "RESULTS", tmp_path)
    train, trained = study.train, []

    def killed_at_the_second(dataset: str, recipe: Any, *arguments: Any) -> dict[str, Any]:
        trained.append(recipe)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return train(dataset, recipe, *arguments)

    monkeypatch.setattr(study, "train", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        study.run(tmp_path / "cells")
    first = json.loads((tmp_path / "stabilisation.json").read_text())["figures"]["ring"]
    assert list(first) == ["imle"]  # the cheapest
    study.run(tmp_path / "cells")
    assert trained == [kept["imle"], *[kept["non_saturating"]] * 2, kept["pacgan2"]]
    ring = json.loads((tmp_path / "stabilisation.json").read_text())["figures"]["ring"]
    assert list(ring) == list(kept)
    assert ring["imle"] == first["imle"]
    assert all(len(row["modes"]) == 2 for row in ring.values())


def test_the_committed_figures_are_what_the_page_says(
    study: ModuleType, result: dict[str, Any]
) -> None:
    import stabilisation_table  # type: ignore[import-not-found]

    written = (ROOT / "docs" / "stabilisation.md").read_text()
    assert stabilisation_table.document(result) == written


@pytest.mark.parametrize(("dataset", "modes", "seeds"), [("ring", 8, 20), ("grid", 25, 10)])
def test_the_committed_figures_are_of_every_seed(
    result: dict[str, Any], dataset: str, modes: int, seeds: int
) -> None:
    for row in result["figures"][dataset].values():
        for found in (row, row["equal_evaluations"], row["raw"]):
            assert len(found["modes"]) == len(found["high_quality"]) == seeds
            assert all(0 <= value <= modes for value in found["modes"])
            assert all(0 <= value <= 1 for value in found["high_quality"])
            known = [value for value in found["reverse_kl"] if value is not None]
            assert all(-1e-4 <= value <= math.log(modes) + 1e-4 for value in known)
        assert row["trajectory"]["updates"][-1] == result["figures"]["rule"][dataset]["updates"]
        assert row["trajectory"]["modes"][-1] == row["modes"]
