"""Language models: the cache of models, the features that a forward pass computes from texts, and their storage."""
