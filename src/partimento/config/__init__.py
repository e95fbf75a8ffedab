"""Config: schemas, the check before any work, plain containers, and the one way to build objects."""

from partimento.config.check import check
from partimento.config.plain import plain, redacted
from partimento.config.schema import (
    AcceleratorConfig,
    DataConfig,
    EvaluateConfig,
    GenerateConfig,
    InspectConfig,
    MatrixConfig,
    PathsConfig,
    SplitConfig,
    TrainConfig,
    TrainerConfig,
    conf_dir,
    filled,
    without_non_identity,
)
from partimento.config.targets import instantiate, resolve_target

__all__ = [
    "AcceleratorConfig",
    "DataConfig",
    "EvaluateConfig",
    "GenerateConfig",
    "InspectConfig",
    "MatrixConfig",
    "PathsConfig",
    "SplitConfig",
    "TrainConfig",
    "TrainerConfig",
    "check",
    "conf_dir",
    "filled",
    "instantiate",
    "plain",
    "redacted",
    "resolve_target",
    "without_non_identity",
]
