"""Laws of loss: runs, fits, predictions, optima. The laws themselves are the extensions in `recipec.laws.forms`."""
