"""Networks: plain `nn.Module`s that know shapes and no loss."""

from partimento.networks.convolutional import ConvolutionalDiscriminator, ConvolutionalGenerator
from partimento.networks.convolutional_autoencoder import ConvolutionalAutoencoder
from partimento.networks.discriminator import AutoencoderDiscriminator, MLPDiscriminator
from partimento.networks.mlp import MLP
from partimento.networks.style import StyleGenerator

__all__ = [
    "MLP",
    "AutoencoderDiscriminator",
    "ConvolutionalAutoencoder",
    "ConvolutionalDiscriminator",
    "ConvolutionalGenerator",
    "MLPDiscriminator",
    "StyleGenerator",
]
