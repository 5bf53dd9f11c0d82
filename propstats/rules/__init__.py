"""Signal -> Signal: one rule per kind of layer."""
