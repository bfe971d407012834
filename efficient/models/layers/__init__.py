"""The layers: the only place of the package where networks contract."""

from efficient.models.layers.attention import attend as attend
from efficient.models.layers.convolution import Conv as Conv
from efficient.models.layers.embedding import Embedding as Embedding
from efficient.models.layers.embedding import Position as Position
from efficient.models.layers.layer import Operation as Operation
from efficient.models.layers.layer import Slots as Slots
from efficient.models.layers.layer import Storage as Storage
from efficient.models.layers.layer import Weighted as Weighted
from efficient.models.layers.layer import name_layers as name_layers
from efficient.models.layers.layer import weighted_layers as weighted_layers
from efficient.models.layers.linear import Linear as Linear
from efficient.models.layers.noise import Dropout as Dropout
from efficient.models.layers.noise import Noise as Noise
from efficient.models.layers.noise import draw_key as draw_key
from efficient.models.layers.noise import make_noise as make_noise
from efficient.models.layers.noise import random_bits as random_bits
from efficient.models.layers.normalisation import ConvNorm as ConvNorm
from efficient.models.layers.normalisation import LayerNorm as LayerNorm
from efficient.models.layers.normalisation import fold as fold
from efficient.models.layers.pooling import max_pool as max_pool
from efficient.models.layers.pooling import mean_pool as mean_pool
