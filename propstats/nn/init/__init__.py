"""Initialisers: weights drawn by a scheme, by data, by their gradients, for residual branches, or trained layer-wise.

All work in place, draw from a `torch.Generator` and leave torch's global one alone.
"""

from propstats.nn.init.data import lsuv_ as lsuv_
from propstats.nn.init.data import lsuv_backward_ as lsuv_backward_
from propstats.nn.init.fixup import Residual as Residual
from propstats.nn.init.fixup import fixup_ as fixup_
from propstats.nn.init.pretraining import pretrain_ as pretrain_
from propstats.nn.init.schemes import exact_ as exact_
from propstats.nn.init.schemes import glorot_ as glorot_
from propstats.nn.init.schemes import he_ as he_
from propstats.nn.init.schemes import initialize_ as initialize_
from propstats.nn.init.schemes import lecun_ as lecun_
from propstats.nn.init.schemes import orthogonal_ as orthogonal_
