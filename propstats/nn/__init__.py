"""NormProp as torch modules that train, and initialisers; see `propstats.nn.init` and `propstats.nn.models`."""

from propstats.nn import rules as rules  # teaches audits what to expect of the layers
from propstats.nn.constraint import constrain_rows as constrain_rows
from propstats.nn.constraint import normalize_rows_ as normalize_rows_
from propstats.nn.convert import convert as convert
from propstats.nn.data import BatchNormalization as BatchNormalization
from propstats.nn.data import GlobalNormalization as GlobalNormalization
from propstats.nn.fold import fold as fold
from propstats.nn.gradient import ScaleGradient as ScaleGradient
from propstats.nn.gradient import check_gradient_scales as check_gradient_scales
from propstats.nn.gradient import separate_scales as separate_scales
from propstats.nn.layers import NormPropConv1d as NormPropConv1d
from propstats.nn.layers import NormPropConv2d as NormPropConv2d
from propstats.nn.layers import NormPropConv3d as NormPropConv3d
from propstats.nn.layers import NormPropConvTranspose1d as NormPropConvTranspose1d
from propstats.nn.layers import NormPropConvTranspose2d as NormPropConvTranspose2d
from propstats.nn.layers import NormPropConvTranspose3d as NormPropConvTranspose3d
from propstats.nn.layers import NormPropLinear as NormPropLinear
from propstats.nn.normprop import NormProp as NormProp
from propstats.nn.pooling import NormPropPool as NormPropPool
from propstats.nn.rows import UnitRows as UnitRows
