"""The log's tree and proofs: against published vectors, a tree built naively, and forgeries."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_evidence_plugin.errors import BadLedger, LedgerForked, LedgerRolledBack
from mlflow_evidence_plugin.ledger import (
    Checkpoint,
    Leaf,
    check_consistency,
    check_inclusion,
    merkle,
    subject_digest,
)
from mlflow_evidence_plugin.ledger.checkpoint import read_checkpoint
from mlflow_evidence_plugin.ledger.leaf import read_leaf
from mlflow_evidence_plugin.record import Subject

# From Certificate Transparency's own tests (merkletree/merkle_tree_test.cc), used by all since.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
PROOFS = {  # (leaf, size): the proof that RFC 6962's reference implementation gives
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (2, 3): ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",),
}
GROWTH = {
    (1, 1): (),
    (1, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
}


class Tree:
    """A log in memory, on the nodes that would be kept."""

    def __init__(self, leaves):
        self.nodes = {}
        self.size = 0
        self.add(leaves)

    def add(self, leaves):
        hashes = [merkle.leaf_hash(one) for one in leaves]
        frontier = {one: self.nodes[one] for one in merkle.complete((0, self.size))}
        self.nodes |= merkle.grown(self.size, frontier, hashes)
        self.size += len(leaves)

    def root(self, size=None):
        return merkle.root((0, self.size if size is None else size), self.nodes)

    def inclusion(self, index, size):
        return [merkle.root(one, self.nodes) for one in merkle.inclusion(index, size)]

    def consistency(self, old, size):
        return [merkle.root(one, self.nodes) for one in merkle.consistency(old, size)]


def naive(leaves):
    """RFC 6962, 2.1, word for word."""
    if not leaves:
        return merkle.EMPTY_ROOT
    if len(leaves) == 1:
        return merkle.leaf_hash(leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return merkle.node_hash(naive(leaves[:k]), naive(leaves[k:]))


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_published_vectors(size):
    assert Tree(LEAVES[:size]).root().hex() == ROOTS[size - 1]


@pytest.mark.parametrize("case", PROOFS)
def test_inclusion_proofs_are_those_of_the_published_vectors(case):
    index, size = case
    proof = Tree(LEAVES[:size]).inclusion(index, size)
    assert tuple(one.hex() for one in proof) == PROOFS[case]


@pytest.mark.parametrize("case", GROWTH)
def test_consistency_proofs_are_those_of_the_published_vectors(case):
    proof = Tree(LEAVES).consistency(*case)
    assert tuple(one.hex() for one in proof) == GROWTH[case]


@given(st.integers(0, 70), st.integers(0, 70), st.data())
def test_any_log_proves_every_leaf_and_its_growth(old, more, data):
    leaves = [b"%d" % number for number in range(old + more)]
    tree = Tree(leaves[:old])
    before = tree.root()
    tree.add(leaves[old:])
    assert tree.root() == naive(leaves)
    check_consistency((old, before), (tree.size, tree.root()), tree.consistency(old, tree.size))
    if tree.size:
        index = data.draw(st.integers(0, tree.size - 1))
        proof = tree.inclusion(index, tree.size)
        check_inclusion(merkle.leaf_hash(leaves[index]), index, tree.size, proof, tree.root())
        wrong = data.draw(st.integers(0, tree.size - 1).filter(lambda n: n != index) | st.none())
        if wrong is not None:
            with pytest.raises(BadLedger):
                check_inclusion(
                    merkle.leaf_hash(leaves[index]), wrong, tree.size, proof, tree.root()
                )


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_a_rewritten_log_has_no_proof(old, more, data):
    leaves = [b"%d" % number for number in range(old + more)]
    tree = Tree(leaves[:old])
    before = tree.root()
    changed = data.draw(st.integers(0, old - 1))
    forged = Tree([b"other" if n == changed else one for n, one in enumerate(leaves)])
    proof = forged.consistency(old, forged.size)
    with pytest.raises(LedgerForked):
        check_consistency((old, before), (forged.size, forged.root()), proof)


def test_a_shorter_log_was_rolled_back():
    tree = Tree(LEAVES)
    with pytest.raises(LedgerRolledBack):
        check_consistency((8, tree.root()), (6, tree.root(6)), [])


def test_two_heads_of_one_size_are_a_fork():
    with pytest.raises(LedgerForked):
        check_consistency((2, b"a" * 32), (2, b"b" * 32), [])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda proof: proof[:-1],
        lambda proof: [*proof, b"x" * 32],
        lambda proof: [proof[0][:31], *proof[1:]],
        lambda proof: [bytes(32), *proof[1:]],
        lambda proof: proof * 50,
        lambda proof: [],
    ],
)
def test_a_spoilt_proof_is_refused(spoil):
    tree = Tree(LEAVES)
    with pytest.raises(BadLedger):
        check_inclusion(merkle.leaf_hash(LEAVES[3]), 3, 8, spoil(tree.inclusion(3, 8)), tree.root())
    with pytest.raises(BadLedger):
        check_consistency((3, tree.root(3)), (8, tree.root()), spoil(tree.consistency(3, 8)))


LEAF = Leaf("sha256:" + "a" * 64, 1, "sha256:" + "b" * 64, "sha256:" + "c" * 64)


def test_a_leaf_reads_back_and_names_no_subject():
    subject = Subject("https://mlflow.example.org", model="secret-project", version="7")
    leaf = replace(LEAF, subject=subject_digest(subject))
    assert read_leaf(leaf.data) == leaf
    assert b"secret-project" not in leaf.data
    assert leaf.digest == "sha256:" + merkle.leaf_hash(leaf.data).hex()


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 0},
        {"previous": None},
        {"sequence": -1},
        {"sequence": True},
        {"sequence": 2**53},
        {"sequence": "1"},
        {"statement": "sha256:" + "C" * 64},
        {"subject": "models/credit/7"},
        {"more": 1},
    ],
)
def test_what_is_no_leaf_is_refused(change):
    from mlflow_evidence_plugin.ledger.leaf import leaf_of

    with pytest.raises(BadLedger):
        leaf_of({**vars(LEAF), **change})


def test_a_checkpoint_is_three_lines_and_reads_back():
    head = Checkpoint("mlflow-evidence.dev/ledger/x", 8, bytes.fromhex(ROOTS[7]))
    origin, size, root = head.text.split("\n")[:3]
    assert (origin, size) == ("mlflow-evidence.dev/ledger/x", "8")
    assert base64.b64decode(root).hex() == ROOTS[7]
    assert read_checkpoint(head.text) == head


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n8\n",
        "origin\n08\n" + "A" * 43 + "=\n",
        "origin\n-1\n" + "A" * 43 + "=\n",
        "two words\n8\n" + "A" * 43 + "=\n",
        "origin\n8\n" + "A" * 43 + "=\nextension\n",
        "origin\n8\n" + "A" * 43 + "=",
        "origin\n8\n" + "A" * 42 + "==\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text):
    with pytest.raises(BadLedger):
        read_checkpoint(text)
