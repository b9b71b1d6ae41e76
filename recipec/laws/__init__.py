"""Laws of predicted loss: runs, fits, optima. The laws themselves are the extensions of `recipec.laws.forms`."""
