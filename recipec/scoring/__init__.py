"""Op Score: values of documents by their text or by a language model, and cascades of the two."""
