"""Data for a search: built-in data sets, files and user functions, checked, split and prepared."""

from actsearch.data.arrays import check_arrays, check_inputs, fingerprint, split_arrays
from actsearch.data.loading import Dataset, load_all, load_data
from actsearch.data.preparation import Preparation, load_preparation
from actsearch.data.sources import BUILT_IN
from actsearch.records import Task

__all__ = [
    "BUILT_IN",
    "Dataset",
    "Preparation",
    "Task",
    "check_arrays",
    "check_inputs",
    "fingerprint",
    "load_all",
    "load_data",
    "load_preparation",
    "split_arrays",
]
