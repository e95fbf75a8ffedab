"""The schemas of the config's sections: names, types, limits, and what belongs to a run's identity."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Len, Lt

from partimento.errors import UserError

PositiveInt = Annotated[int, Gt(0)]
NOT_IDENTITY = {"identity": False}
DATASET_NOT_IDENTITY = {"workers", "download"}
"""Keys of any dataset that say how its files are got at, and so change no result."""

OTHERS_KEYS = {
    "trainer.max_steps": (
        "There is no config key 'trainer.max_steps': write trainer.max_updates, which counts "
        "updates of the model (of the generator, in adversarial training)."
    ),
    "trainer.accumulate_grad_batches": (
        "There is no config key 'trainer.accumulate_grad_batches', since no model accumulates "
        "gradients, least of all two players that take turns: use a larger trainer.batch_size."
    ),
}
"""Keys of Lightning's trainer that a user may look for, and the sentence that says what to write."""


@dataclass
class SplitConfig:
    """How pieces are assigned to train, valid and test."""

    seed: int = 0
    train: Annotated[float, Gt(0), Lt(1)] = 0.8
    valid: Annotated[float, Gt(0), Lt(1)] = 0.1
    test: Annotated[float, Gt(0), Lt(1)] = 0.1

    def __post_init__(self) -> None:
        """Refuse fractions that do not make a whole."""
        total = self.train + self.valid + self.test
        if abs(total - 1) > 1e-6:
            raise UserError(
                f"data.split.train={self.train}, valid={self.valid} and test={self.test} must sum "
                f"to 1, not {total:.4g}."
            )


@dataclass
class DataConfig:
    """How pieces become training examples."""

    split: SplitConfig = field(default_factory=SplitConfig)
    stride: PositiveInt = 1
    eval_stride: PositiveInt = 4
    transpose: bool = True
    packing: PositiveInt | None = None
    documents: bool = False
    bucketing: bool = False
    window: PositiveInt | None = None

    def __post_init__(self) -> None:
        """Refuse to mark documents where nothing is packed."""
        if self.documents and self.packing is None:
            raise UserError(
                "data.documents=true tells the pieces of a packed window apart: set data.packing "
                "to its length, or data.documents=false."
            )


@dataclass
class TrainerConfig:
    """How long and in which portions a model is trained; conf/trainer/default.yaml explains."""

    max_epochs: PositiveInt = 60
    max_updates: PositiveInt | None = None
    batch_size: PositiveInt = 128
    patience: PositiveInt | None = 6
    monitor: str | None = "auto"
    gradient_clip: Annotated[float, Gt(0)] | None = None
    limit_train_batches: PositiveInt | None = None
    log_every: Annotated[int, Gt(0)] = field(default=50, metadata=NOT_IDENTITY)
    checkpoint_every: PositiveInt | None = field(default=None, metadata=NOT_IDENTITY)
    checkpoint_seconds: Annotated[float, Ge(0)] = field(default=5.0, metadata=NOT_IDENTITY)
    keep_epochs: list[PositiveInt] = field(default_factory=list, metadata=NOT_IDENTITY)
    progress_bar: bool = field(default=True, metadata=NOT_IDENTITY)


@dataclass
class AcceleratorConfig:
    """Which devices a run uses, and how."""

    device: Literal["auto", "cpu", "gpu"] = "auto"
    devices: PositiveInt = 1
    strategy: Literal["auto", "ddp"] = "auto"
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    threads: PositiveInt = 2

    def __post_init__(self) -> None:
        """Refuse several devices without the strategy that uses them."""
        if self.devices > 1 and self.strategy != "ddp":
            raise UserError(f"accelerator.devices={self.devices} needs accelerator=ddp.")


@dataclass
class PathsConfig:
    """Where things are written; never part of a run's identity."""

    outputs: str = "outputs"
    cache: str | None = None


@dataclass
class TrainConfig:
    """The primary config of `train`; nodes typed Any hold a `_target_` each."""

    seed: Annotated[int, Ge(0)]
    model: Any
    dataset: Any
    representation: Any
    strategy: Any
    diagnostics: Any
    data: DataConfig
    trainer: TrainerConfig
    accelerator: AcceleratorConfig
    logger: Any = field(metadata=NOT_IDENTITY)
    paths: PathsConfig = field(metadata=NOT_IDENTITY)
    resume: Literal["auto", "must", "never", "force"] = field(metadata=NOT_IDENTITY)
    trusted_packages: list[str] = field(metadata=NOT_IDENTITY)
    group: str | None = field(metadata=NOT_IDENTITY)


@dataclass
class InterpolateConfig:
    """The way between two latent codes; `between` null: none is asked for."""

    between: Annotated[list[Annotated[int, Ge(0)]], Len(2, 2)] | None = None
    steps: Annotated[int, Ge(2)] = 9
    method: Literal["linear", "spherical"] = "spherical"


@dataclass
class GenerateConfig:
    """The primary config of `generate`."""

    run: str
    input: str | None
    count: PositiveInt | None
    z: str | None
    interpolate: InterpolateConfig
    chords: str | None
    bars: PositiveInt | None
    priming: str | None
    priming_bar: PositiveInt
    mix: Annotated[list[str | int], Len(2, 2)] | None
    layers: list[Annotated[int, Ge(0)]] | None
    output: str | None
    strategy: Any
    seed: Annotated[int, Ge(0)]
    trusted_packages: list[str]


@dataclass
class EvaluateConfig:
    """The primary config of `evaluate`."""

    run: str
    baselines: list[str]
    count: PositiveInt | None
    temperature: Annotated[float, Ge(0)]
    seed: Annotated[int, Ge(0)]
    cache: str | None
    trusted_packages: list[str]


@dataclass
class InspectConfig:
    """The primary config of `inspect`."""

    dataset: Any
    representation: Any
    data: DataConfig
    count: PositiveInt
    seed: Annotated[int, Ge(0)]
    output: str | None
    cache: str | None
    trusted_packages: list[str]


@dataclass
class MatrixConfig:
    """The primary config of `matrix`."""

    table: Literal["products", "objectives"]
    output: str | None
    trusted_packages: list[str]


def conf_dir() -> Path:
    """Return the folder of the shipped config groups: in the wheel, or at the top of a clone."""
    inside = Path(__file__).parents[1] / "conf"
    return inside if inside.is_dir() else Path(__file__).resolve().parents[3] / "conf"


def without_non_identity(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config without what cannot change a run's result."""

    def keep(schema: type, section: Mapping[str, Any]) -> dict[str, Any]:
        hints = typing.get_type_hints(schema)
        result = {}
        for item in fields(schema):
            if item.name not in section or not item.metadata.get("identity", True):
                continue
            value, hint = section[item.name], hints[item.name]
            nested = is_dataclass(hint) and isinstance(value, Mapping)
            result[item.name] = keep(typing.cast(type, hint), value) if nested else value
        return result

    kept = keep(TrainConfig, resolved)
    if isinstance(dataset := kept.get("dataset"), Mapping):
        kept["dataset"] = {k: v for k, v in dataset.items() if k not in DATASET_NOT_IDENTITY}
    return kept


def filled(schema: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checked config, or a section of it, with the schema's defaults for absent keys."""
    hints, result = typing.get_type_hints(schema), dict(values)
    for item in fields(schema):
        if is_dataclass(hints[item.name]):
            nested = typing.cast(type, hints[item.name])
            result[item.name] = filled(nested, values.get(item.name, {}))
        elif item.name not in values and item.default is not MISSING:
            result[item.name] = item.default
        elif item.name not in values and item.default_factory is not MISSING:
            result[item.name] = item.default_factory()
    return result


T = typing.TypeVar("T")


def section(schema: type[T], values: Mapping[str, Any]) -> T:
    """Return a section as its schema, without keys that only interpolations read."""
    names = {item.name for item in fields(typing.cast(Any, schema))}
    return schema(**{key: value for key, value in values.items() if key in names})


def data_config(resolved: Mapping[str, Any]) -> DataConfig:
    """Return the `data` section of a resolved config as its schema."""
    values = dict(resolved["data"])
    return section(DataConfig, {**values, "split": section(SplitConfig, values.get("split", {}))})
