"""Networks: plain `nn.Module`s that know shapes and no loss."""

from partimento.networks.mlp import MLP

__all__ = ["MLP"]
