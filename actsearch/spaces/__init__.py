"""Search spaces: their data model, how they are loaded, and how a build function chooses from one."""

from actsearch.spaces.choose import ChosenActivation, choices_on, choose, label_of, matching_of, resolve
from actsearch.spaces.space import Candidate, Choices, Range, SearchSpace, Sites
from actsearch.spaces.yaml_loader import SpaceLike, load_space, space_names

__all__ = [
    "Candidate",
    "Choices",
    "ChosenActivation",
    "Range",
    "SearchSpace",
    "Sites",
    "SpaceLike",
    "choices_on",
    "choose",
    "label_of",
    "load_space",
    "matching_of",
    "resolve",
    "space_names",
]
