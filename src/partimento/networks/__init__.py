"""Networks: plain `nn.Module`s that know shapes and no loss."""

from partimento.networks.discriminator import AutoencoderDiscriminator, MLPDiscriminator
from partimento.networks.mlp import MLP

__all__ = ["MLP", "AutoencoderDiscriminator", "MLPDiscriminator"]
