"""RaBitQ-Library: HNSW and inverted lists over RaBitQ codes, and SymphonyQG."""

import math

import numpy as np

from .base import Driver, Effort
from .lists import PROBES


class Rabitq(Driver):
    """The library has L2 and the inner product; angular data come in at unit length."""

    def name(self):
        return "l2" if self.euclidean else "ip"

    def clusters(self, base, count):
        """Centroids and the cluster of every row, by the library's own k-means."""
        import rabitqlib

        means = rabitqlib.RaBitQKMeans(self.dim, count, num_threads=1)
        means.train(np.ascontiguousarray(base))
        return means.centroids, means.assignments

    def save(self, path):
        self.index.save(path)

    def one(self, query, k):
        return self.many(query[None, :], k)[0]


class RabitqHnsw(Effort, Rabitq):
    """Distances of the codes are final: nothing is refined, so the bits bound the recall."""

    defaults = {"M": 16, "efc": 200, "bits": 9, "clusters": 16}

    def build(self, base):
        import rabitqlib

        chosen = self.settings
        self.codes = f"rabitq{chosen['bits']}"
        self.index = rabitqlib.HnswIndex(
            dim=self.dim, max_elements=self.count, M=chosen["M"], ef_construction=chosen["efc"],
            nbits=chosen["bits"], metric=self.name(),
        )
        self.index.build(base, *self.clusters(base, chosen["clusters"]), num_threads=1)

    def apply(self, setting, k):
        self.ef = max(setting["ef"], k)

    def many(self, queries, k):
        return self.index.search(queries, k, self.ef, num_threads=1)[0]

    def notes(self):
        return ["kernels chosen at run time; 9 bits are the most that its codes have"]


class SymphonyQg(Effort, Rabitq):
    """A graph whose lists of neighbours hold 1-bit codes, distances of visited rows by f32."""

    defaults = {"degree": 32, "efc": 200}
    codes = "rabitq1+f32"

    def build(self, base):
        import rabitqlib

        self.index = rabitqlib.SymqgIndex(self.dim, self.settings["degree"], self.name(), 0)
        self.index.build(base, self.settings["efc"], 1)

    def apply(self, setting, k):
        self.ef = max(setting["ef"], k)

    def many(self, queries, k):
        return self.index.search(queries, k, self.ef, num_threads=1)[0]

    def notes(self):
        return ["kernels chosen at run time"]


class RabitqIvf(Rabitq):
    """`bits` is 1 to 9 for codes alone, or 32: 1-bit codes, and the raw vectors to re-rank with."""

    loop = False
    defaults = {"clusters": 0, "bits": 9}

    def build(self, base):
        import rabitqlib

        chosen = self.settings
        chosen["clusters"] = chosen["clusters"] or 1 << max(6, round(math.log2(4 * math.sqrt(self.count))))
        self.codes = "rabitq1+f32" if chosen["bits"] == 32 else f"rabitq{chosen['bits']}"
        self.index = rabitqlib.IvfIndex(
            dim=self.dim, max_elements=self.count, num_clusters=chosen["clusters"], nbits=chosen["bits"],
            metric=self.name(),
        )
        self.index.build(base, *self.clusters(base, chosen["clusters"]), num_threads=1)

    def grid(self):
        return [{"nprobe": probe} for probe in PROBES if probe <= self.settings["clusters"]]

    def apply(self, setting, k):
        self.probes = setting["nprobe"]

    def many(self, queries, k):
        return self.index.search(queries, k, self.probes, num_threads=1)[0]

    def notes(self):
        return ["kernels chosen at run time"]
