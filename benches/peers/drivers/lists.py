"""Inverted lists: faiss IVF with FastScan codes and refinement, ScaNN. Their batch calls share work among queries."""

import math
import os

from .base import Driver

PROBES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384)


def faiss_simd():
    import faiss

    return f"faiss runs its {faiss.get_compile_options().strip()} build"


class FaissLists(Driver):
    """IVF with 4-bit or 1-bit codes scanned in blocks, refined with the raw vectors, which the index keeps."""

    loop = False
    defaults = {"nlist": 0}

    def code(self):
        raise NotImplementedError

    def build(self, base):
        import faiss

        faiss.omp_set_num_threads(1)
        if not self.settings["nlist"]:
            self.settings["nlist"] = 1 << max(6, round(math.log2(4 * math.sqrt(self.count))))
        self.factory = f"IVF{self.settings['nlist']},{self.code()},RFlat"
        metric = faiss.METRIC_L2 if self.euclidean else faiss.METRIC_INNER_PRODUCT
        self.index = faiss.index_factory(self.dim, self.factory, metric)
        self.index.train(base)
        self.index.add(base)
        self.refined = faiss.downcast_index(self.index)
        self.lists = faiss.extract_index_ivf(self.index)

    def grid(self):
        probes = [probe for probe in PROBES if probe <= self.settings["nlist"]]
        return [{"nprobe": probe, "k_factor": factor} for factor in (2, 5, 12, 30) for probe in probes]

    def family(self, setting):
        return setting["k_factor"]

    def apply(self, setting, k):
        self.lists.nprobe = setting["nprobe"]
        self.refined.k_factor = setting["k_factor"]

    def many(self, queries, k):
        return self.index.search(queries, k)[1]

    def save(self, path):
        import faiss

        faiss.write_index(self.index, path)

    def params(self):
        return self.factory

    def notes(self):
        return [faiss_simd(), "its size holds the raw vectors that it refines with"]


class FaissPqFastScan(FaissLists):
    codes = "pq4fs+f32"

    def code(self):
        return f"PQ{self.dim // 2 if self.dim % 2 == 0 else self.dim}x4fs"


class FaissRabitqFastScan(FaissLists):
    codes = "rabitqfs+f32"

    def code(self):
        return "RaBitQfs"


class Scann(Driver):
    loop = False
    codes = "ah4+f32"
    defaults = {"leaves": 0, "block": 0, "threshold": 0.2}

    def build(self, base):
        import scann

        chosen = self.settings
        chosen["leaves"] = chosen["leaves"] or max(50, int(2 * math.sqrt(self.count)))
        chosen["block"] = chosen["block"] or (2 if self.dim < 512 else 4)
        builder = scann.scann_ops_pybind.builder(base, 10, "squared_l2" if self.euclidean else "dot_product")
        builder = builder.tree(
            chosen["leaves"],
            1,
            training_sample_size=min(self.count, 250_000),
            spherical=self.metric == "angular",
            quantize_centroids=True,
        )
        # Anisotropic quantisation is for inner products.
        extra = {} if self.euclidean else {"anisotropic_quantization_threshold": chosen["threshold"]}
        builder = builder.score_ah(chosen["block"], **extra).reorder(100)
        if hasattr(builder, "set_n_training_threads"):
            builder = builder.set_n_training_threads(1)
        self.index = builder.build()
        if hasattr(self.index, "set_num_threads"):
            self.index.set_num_threads(1)

    def grid(self):
        probes = [probe for probe in PROBES if probe <= self.settings["leaves"]]
        return [{"leaves": probe, "reorder": reorder} for reorder in (20, 40, 100, 250) for probe in probes]

    def family(self, setting):
        return setting["reorder"]

    def apply(self, setting, k):
        self.setting = (max(setting["reorder"], k), setting["leaves"])

    def many(self, queries, k):
        reorder, leaves = self.setting
        return self.index.search_batched(queries, k, reorder, leaves)[0]

    def one(self, query, k):
        reorder, leaves = self.setting
        return self.index.search(query, k, reorder, leaves)[0]

    def save(self, path):
        os.makedirs(path)
        self.index.serialize(path)

    def notes(self):
        return ["the wheel holds AVX-512 code; its size holds the raw vectors that it re-ranks with"]
