"""What a tensor of music means: features for a network, likelihood, sampling, relaxation, distance."""

from partimento.distributions.base import Distribution
from partimento.distributions.bernoulli import Bernoulli
from partimento.distributions.categorical import Categorical
from partimento.distributions.normal import Normal

__all__ = ["Bernoulli", "Categorical", "Distribution", "Normal"]
