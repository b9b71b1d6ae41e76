"""Search of mixtures and sampling parameters: from runs with losses to the weights that regressors rank best."""
