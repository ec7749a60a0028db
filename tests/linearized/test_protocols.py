"""Both routes, and rows in one place or in several, have the same verbs."""

import inspect

import pytest

from sklearn_nnci._linearized import protocols
from sklearn_nnci._linearized.dual import Dual, DualInformation
from sklearn_nnci._linearized.dual_posterior import DualPosterior
from sklearn_nnci._linearized.partitions import Partitions
from sklearn_nnci._linearized.primal import Primal, PrimalInformation
from sklearn_nnci._linearized.primal_posterior import PrimalPosterior
from sklearn_nnci._linearized.training_rows import Rows

FAMILIES = {
    protocols.TrainingRows: (Rows, Partitions),
    protocols.Reduction: (Primal, Dual),
    protocols.Information: (PrimalInformation, DualInformation),
    protocols.Posterior: (PrimalPosterior, DualPosterior),
}
MEMBERS = [
    pytest.param(kind, name, member, id=f"{kind.__name__}.{name}")
    for protocol, kinds in FAMILIES.items()
    for kind in kinds
    for name, member in vars(protocol).items()
    if inspect.isfunction(member) or isinstance(member, property)
    if not name.startswith("_")
]


def parameters(verb):
    found = inspect.signature(verb).parameters.values()
    return [(one.name, one.kind, one.default, one.annotation) for one in found]


@pytest.mark.parametrize("kind, name, member", MEMBERS)
def test_every_verb_is_there_with_the_parameters_of_its_protocol(kind, name, member):
    own = getattr(kind, name)
    if inspect.isfunction(member):
        assert parameters(own) == parameters(member)
    else:
        assert name in kind._fields or isinstance(own, property)


def test_there_are_no_protocols_but_these():
    found = {one for one in vars(protocols).values() if is_protocol(one)}
    assert found == set(FAMILIES)


def is_protocol(one):
    return getattr(one, "_is_protocol", False) and one.__module__ == protocols.__name__
