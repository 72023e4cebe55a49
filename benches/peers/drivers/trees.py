"""Exact trees: scipy's cKDTree, scikit-learn's KDTree and BallTree. For few dimensions; Euclidean, and the angle by the
Euclidean distance of unit vectors, which ranks alike."""

import pickle

import numpy as np

from .base import Driver, Unsuitable


class Tree(Driver):
    # Beyond this every tree visits nearly all rows, and takes longer than a scan: nothing is learnt from it.
    most = 32
    metrics = ("euclidean", "angular")
    defaults = {"leaf": 16}

    def __init__(self, metric, count, dim, folder, given):
        super().__init__(metric, count, dim, folder, given)
        if dim > self.most:
            raise Unsuitable(f"a tree for few dimensions: called up to {self.most}, not with {dim}")

    def grid(self):
        return [{}]

    def apply(self, setting, k):
        pass

    def save(self, path):
        with open(path, "wb") as file:
            pickle.dump(self.index, file, protocol=pickle.HIGHEST_PROTOCOL)

    def notes(self):
        return ["exact; its size is that of its pickle"]


class ScipyTree(Tree):
    codes = "f64"

    def build(self, base):
        from scipy.spatial import cKDTree

        self.index = cKDTree(base, leafsize=self.settings["leaf"])

    def many(self, queries, k):
        return np.asarray(self.index.query(queries, k=np.arange(1, k + 1), workers=1)[1])


class SklearnKdTree(Tree):
    codes = "f64"
    defaults = {"leaf": 40}
    kind = "KDTree"

    def build(self, base):
        import sklearn.neighbors

        self.index = getattr(sklearn.neighbors, self.kind)(base, leaf_size=self.settings["leaf"])

    def many(self, queries, k):
        return self.index.query(queries, k=k, return_distance=False)


class SklearnBallTree(SklearnKdTree):
    kind = "BallTree"
