#!/usr/bin/env bash
# Makes the environment that neural-tangents needs: it does not import with any JAX of today, and JAX wants its own.
# bash tests/benchmarks/peers/neural_tangents_environment.sh DIR; export PROPSTATS_NEURAL_TANGENTS=DIR/bin/python
set -euo pipefail
python3 -m venv "$1"
"$1/bin/pip" install -q --no-deps neural-tangents==0.6.5 jax==0.4.30 jaxlib==0.4.30 \
  ml_dtypes==0.6.0 opt_einsum==3.4.0 scipy==1.17.1 numpy==2.4.6 frozendict==2.5.1
