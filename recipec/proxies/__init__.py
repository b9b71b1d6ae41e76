"""Proxies, small models trained on what a recipe may select: their corpus, their training and their losses."""

from recipec.proxies.corpus import Corpus, folder_of, prepare
from recipec.proxies.records import Proxy, Record, Training
from recipec.proxies.trainings import copies_for, train

__all__ = ["Corpus", "Proxy", "Record", "Training", "copies_for", "folder_of", "prepare", "train"]
