"""The evaluation of a run folder: a harmoniser beside baselines, or a generator by its samples."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from partimento.atomic import write_atomically
from partimento.building import build_dataset
from partimento.config.schema import data_config
from partimento.data.batch import Batch
from partimento.data.module import MusicDataModule
from partimento.errors import UserError
from partimento.evaluation.generated import evaluate_generator
from partimento.evaluation.generated_tables import csv_of, json_of, markdown
from partimento.evaluation.table import (
    baseline_table,
    evaluate_predictor,
    format_table,
    to_json,
)
from partimento.loading import Trained, home_of, load
from partimento.runs.identity import canonical, code_checksums

log = logging.getLogger(__name__)


class Evaluation(NamedTuple):
    """What an evaluation left behind.

    Attributes:
        path: Where all values are.
        text: Tables for people.
    """

    path: Path
    text: str


def evaluate(
    run: str | Path,
    *,
    baselines: Sequence[str] = (),
    count: int | None = None,
    temperature: float = 1.0,
    seed: int = 0,
    cache: str | None = None,
    trusted_packages: Sequence[str] = (),
) -> Evaluation:
    """Evaluate a run of any kind: a harmoniser beside baselines, a generator by its samples.

    Args:
        run: A run folder or a checkpoint in one.
        baselines: Names of baselines of a harmoniser; see `evaluation.table.BASELINES`.
        count: Number of samples of a generator; None: as many as are of use.
        temperature: Of these samples; 1 is the model's own law.
        seed: Of these samples.
        cache: Folder of prepared datasets and of baselines' results; None keeps none.
        trusted_packages: Packages besides the project's own that the model was built from.

    Raises:
        UserError: When the model can neither, or the data are not those of the run.
    """
    trained = load(run, trusted_packages=trusted_packages)
    if getattr(trained.model, "given_voices", None) is not None:
        path, rows = evaluate_run(
            run, baselines=baselines, cache=cache, trusted_packages=trusted_packages
        )
        return Evaluation(path, f"{format_table(rows)}\nnll: nats per predicted cell.")
    folder, data = home_of(Path(run)), _data(trained, cache)
    _check_split(folder, data)
    report = evaluate_generator(
        trained.model,
        trained.representation,
        data,
        count=count,
        temperature=temperature,
        seed=seed,
    )
    names = (trained.config[node].get("name", node) for node in ("model", "dataset"))
    text = markdown(report, " on ".join(names))
    write_atomically(folder / "evaluation.md", text)
    write_atomically(folder / "evaluation.csv", csv_of(report))
    path = folder / "evaluation.json"
    write_atomically(path, json_of(report) + "\n")
    return Evaluation(path, text)


def evaluate_run(
    run: str | Path,
    *,
    baselines: Sequence[str] = (),
    cache: str | None = None,
    trusted_packages: Sequence[str] = (),
) -> tuple[Path, dict[str, dict[str, float]]]:
    """Return where the table was written and its rows: the model, then the baselines.

    Args:
        run: A run folder or a checkpoint in one.
        baselines: Names of baselines; see `evaluation.table.BASELINES`.
        cache: Folder in which the baselines' results are kept; None keeps none.
        trusted_packages: Packages besides the project's own that the model was built from.

    Raises:
        UserError: When the model has no given voices, or the data are not those of the run.
    """
    trained = load(run, trusted_packages=trusted_packages)
    given = getattr(trained.model, "given_voices", None)
    if given is None:
        raise UserError(
            f"evaluate compares harmonisers, which are given some voices; {run} holds a "
            f"{trained.config['model'].get('name')}."
        )
    data = _data(trained, cache)
    folder = home_of(Path(run))
    _check_split(folder, data)
    examples = {split: data.examples(split).x for split in ("train", "valid", "test")}
    name = trained.config["model"].get("name", "model")
    rows = {name: evaluate_trained(trained, examples["test"])}
    rows |= _baselines(trained, examples, given, baselines, cache)
    path = folder / "evaluation.json"
    write_atomically(path, to_json(rows) + "\n")
    return path, rows


def evaluate_trained(trained: Trained, x: Tensor) -> dict[str, float]:
    """Evaluate a model on windows `(windows, steps, voices)` as the baselines are evaluated."""
    model = trained.model

    def predict(windows: Tensor) -> Tensor:
        prediction = model.evaluate(Batch(windows)).prediction
        assert prediction is not None  # a harmoniser always makes one
        return prediction

    def log_prob(windows: Tensor) -> Tensor:
        values = model.evaluate(Batch(windows)).log_prob
        assert values is not None  # a harmoniser always has a likelihood
        return values

    return evaluate_predictor(
        predict,
        log_prob,
        x,
        model.distribution,
        tuple(getattr(model, "given_voices", ())),
        trained.representation.metrics(),
    )


def _data(trained: Trained, cache: str | None) -> MusicDataModule:
    config = trained.config
    return MusicDataModule(
        build_dataset(config), trained.representation, data_config(config), cache=cache
    )


def _check_split(folder: Path, data: MusicDataModule) -> None:
    """Refuse to test on pieces that the run may have been trained on."""
    path = folder / "split_manifest.json"
    if path.exists() and json.loads(path.read_text())["hash"] != data.manifest.hash:
        raise UserError(
            f"The split of {folder} cannot be made again with the data installed now; evaluate "
            "with the dataset version named in its run.json."
        )


def _baselines(
    trained: Trained,
    examples: Mapping[str, Tensor],
    given: Sequence[str],
    names: Sequence[str],
    cache: str | None,
) -> dict[str, dict[str, float]]:
    """Return the rows of the baselines, from the cache where the same question was answered."""
    rows: dict[str, dict[str, float]] = {}
    key = _key(trained, examples, given)
    for name in names:
        place = Path(cache) / "baselines" / f"{key}-{name}.json" if cache else None
        if place is not None and place.exists():
            rows[name] = json.loads(place.read_text())
            continue
        log.info("Fitting the baseline %s", name)
        rows |= baseline_table(
            examples["train"],
            examples["valid"],
            examples["test"],
            trained.model.distribution,
            given,
            [name],
        )
        if place is not None:
            write_atomically(place, json.dumps(rows[name]))
    return rows


def _key(trained: Trained, examples: Mapping[str, Tensor], given: Sequence[str]) -> str:
    """Hash what a baseline's result depends on: the examples, the alphabet, the given, the code."""
    digest = hashlib.sha256()
    for split in sorted(examples):
        digest.update(examples[split].numpy().tobytes())
    code = {k: v for k, v in code_checksums().items() if "/evaluation/" in k or "/metrics/" in k}
    facts: Any = [trained.model.distribution.state(), list(given), code]
    digest.update(canonical(facts).encode())
    return digest.hexdigest()[:16]
