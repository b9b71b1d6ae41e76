"""Op Score: values of documents from their text or from a language model, and cascades of the two."""
