"""NGT: ONNG (a degree-adjusted graph) and QG (a graph over 4-bit product codes)."""

import ctypes
import os
import shutil
import signal
import subprocess

import numpy as np

from .base import MISSING, Driver, Unsuitable, size_on_disk

EPSILONS = (-0.4, -0.3, -0.2, -0.15, -0.1, -0.07, -0.04, -0.02, 0.0, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def command(*words):
    subprocess.run([str(word) for word in words], check=True, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)


class Onng(Driver):
    defaults = {"edge": 40, "out": 10, "in": 120}

    def build(self, base):
        import ngtpy

        rough, final = os.path.join(self.folder, "anng"), os.path.join(self.folder, "onng")
        distance = {"euclidean": "L2", "angular": "Normalized L2", "ip": "Inner Product"}[self.metric]
        ngtpy.create(
            rough, self.dim, edge_size_for_creation=self.settings["edge"], edge_size_for_search=40, distance_type=distance
        )
        index = ngtpy.Index(rough, log_disabled=True)
        index.batch_insert(base, num_threads=1)
        index.save()
        index.close()
        optimizer = ngtpy.Optimizer(log_disabled=True)
        optimizer.set(num_of_outgoings=self.settings["out"], num_of_incomings=self.settings["in"])
        optimizer.set_processing_modes(
            shortcut_reduction=True,
            # Looks for coefficients until recall falls, which on one thread did not end within 95 s on 2,000 rows.
            search_parameter_optimization=False,
            prefetch_parameter_optimization=True,
            accuracy_table_generation=False,
        )
        optimizer.execute(rough, final)
        shutil.rmtree(rough)
        self.final = final
        self.index = ngtpy.Index(final, read_only=True, log_disabled=True)

    def grid(self):
        return [{"epsilon": epsilon} for epsilon in EPSILONS]

    def apply(self, setting, k):
        self.epsilon = setting["epsilon"]
        self.index.set(epsilon=self.epsilon)

    def many(self, queries, k):
        import ngtpy

        results = ngtpy.BatchResults()
        self.index.batch_search(queries, results, k, with_distance=False)
        ids = np.asarray(results.get_ids())
        if len(ids) != len(queries) * k:  # a query with fewer than k answers: rows are not told apart
            return [self.one(query, k) for query in queries]
        return ids.reshape(len(queries), k)

    def one(self, query, k):
        return self.index.search(query, k, epsilon=self.epsilon, with_distance=False)

    def index_bytes(self):
        return size_on_disk(self.final)

    def notes(self):
        return ["the 2.8.0.post1 wheel holds no AVX code: its figures are what a pip user gets, not what NGT can do"]


class QuantizedGraph(Driver):
    """Built by NGT's own programs `ngt` and `qbg`, which the wheel does not hold."""

    codes = "qg4"
    loop = False
    metrics = ("euclidean", "angular")
    defaults = {"edge": 100, "out": 64, "in": 120, "max_edge": 96}

    def build(self, base):
        import ngtpy

        absent = [program for program in ("ngt", "qbg") if shutil.which(program) is None]
        if absent:
            raise Unsuitable(f"needs the programs {' and '.join(absent)} of yahoojapan/NGT, which are not in the PATH")
        chosen = self.settings
        rough, self.final = os.path.join(self.folder, "anng"), os.path.join(self.folder, "qg")
        distance = "2" if self.euclidean else "E"
        command("ngt", "create", "-it", "-p1", "-b500", "-ga", "-of", f"-D{distance}", f"-d{self.dim}",
                f"-E{chosen['edge']}", "-S40", "-e0.1", "-P0", "-B30", "-T4", rough)
        index = ngtpy.Index(rough, log_disabled=True)
        index.batch_insert(base, num_threads=1)
        index.save()
        index.close()
        command("ngt", "reconstruct-graph", "-mS", "-E64", f"-o{chosen['out']}", f"-i{chosen['in']}", rough, self.final)
        command("qbg", "create-qg", self.final)
        command("qbg", "build-qg", "-o20000", "-M6", "-ib", "-I400", "-Gz", f"-E{chosen['max_edge']}", self.final)
        self.index = ngtpy.QuantizedIndex(self.final, chosen["max_edge"])
        self.index.set_with_distance(False)

    def grid(self):
        expansions = (0.0, 1.2, 2.0, 3.0, 5.0)
        return [{"epsilon": epsilon, "expansion": x} for x in expansions for epsilon in EPSILONS[2:12]]

    def family(self, setting):
        return setting["expansion"]

    def apply(self, setting, k):
        self.index.set(epsilon=setting["epsilon"], result_expansion=setting["expansion"])

    def one(self, query, k):
        found = self.index.search(query, k)
        return [entry[0] if isinstance(entry, tuple) else entry for entry in found]

    def many(self, queries, k):
        table = np.full((len(queries), k), MISSING, dtype=np.int64)
        for row, query in zip(table, queries):
            found = self.one(query, k)[:k]
            row[: len(found)] = found
        return table

    def index_bytes(self):
        return size_on_disk(self.final)

    def notes(self):
        return ["no batch call in its Python interface: a batch is a loop of Python calls"]
