"""Graph peers: glass, hnswlib, faiss HNSW, usearch. Their batch calls are native loops over single queries."""

import os

import numpy as np

from .base import Driver, Effort, Unsuitable


class Filtered(Effort):
    """Filters by a native loop of our own over the index as it is saved; see filtered.py."""

    header = None
    native, allowed, ef = None, None, 10

    def restrict(self, allowed):
        if self.native is None:
            from .filtered import Native

            path = os.path.join(self.folder, "to-filter")
            self.save(path)
            self.native = Native(self.header, path, self.dim, self.euclidean, self.folder)
            os.remove(path)
        self.allowed = allowed

    def apply(self, setting, k):
        self.ef = max(setting["ef"], k)

    def many(self, queries, k):
        if self.allowed is not None:
            return self.native.search(self.encoded(queries), k, self.ef, self.allowed)
        return self.all_of(queries, k)

    def encoded(self, vectors):
        return vectors


class Hnswlib(Filtered):
    defaults = {"M": 16, "efc": 200, "threads": 1}
    header = "hnswlib"

    def build(self, base):
        import hnswlib

        # Angular data come in at unit length: the inner product ranks them as the angle does, without a division.
        self.index = hnswlib.Index(space="l2" if self.euclidean else "ip", dim=self.dim)
        self.index.init_index(
            max_elements=self.count, M=self.settings["M"], ef_construction=self.settings["efc"], random_seed=1
        )
        self.index.add_items(base, num_threads=self.settings["threads"])

    def apply(self, setting, k):
        super().apply(setting, k)
        self.index.set_ef(self.ef)

    def all_of(self, queries, k):
        return self.index.knn_query(queries, k=k, num_threads=1)[0]

    def save(self, path):
        self.index.save_index(path)

    def notes(self):
        return ["compiled on this machine by its own set-up (-march=native)"]


class FaissHnsw(Effort):
    defaults = {"M": 16, "efc": 200}
    allowed = None

    def build(self, base):
        import faiss

        faiss.omp_set_num_threads(1)
        metric = faiss.METRIC_L2 if self.euclidean else faiss.METRIC_INNER_PRODUCT
        self.index = faiss.IndexHNSWFlat(self.dim, self.settings["M"], metric)
        self.index.hnsw.efConstruction = self.settings["efc"]
        self.index.add(base)

    def restrict(self, allowed):
        self.allowed = None if allowed is None else np.packbits(allowed, bitorder="little")

    def apply(self, setting, k):
        import faiss

        self.index.hnsw.efSearch = setting["ef"]
        self.params = None
        if self.allowed is not None:
            self.selector = faiss.IDSelectorBitmap(self.allowed)
            self.params = faiss.SearchParametersHNSW(efSearch=setting["ef"], sel=self.selector)

    def many(self, queries, k):
        return self.index.search(queries, k, params=self.params)[1]

    def save(self, path):
        import faiss

        faiss.write_index(self.index, path)

    def notes(self):
        from .lists import faiss_simd

        return [faiss_simd()]


class Usearch(Filtered):
    defaults = {"M": 16, "efc": 200}
    header = "usearch"

    def build(self, base):
        from usearch.index import Index

        self.index = Index(
            ndim=self.dim,
            metric="l2sq" if self.euclidean else "ip",
            dtype=self.codes,
            connectivity=self.settings["M"],
            expansion_add=self.settings["efc"],
        )
        self.index.add(np.arange(self.count, dtype=np.uint64), self.encoded(base), threads=1)

    def apply(self, setting, k):
        super().apply(setting, k)
        self.index.expansion_search = setting["ef"]

    def all_of(self, queries, k):
        return self.index.search(self.encoded(queries), k, threads=1).keys

    def one(self, query, k):
        if self.allowed is not None:
            return self.many(query[None, :], k)[0]
        return self.index.search(self.encoded(query), k, threads=1).keys

    def save(self, path):
        self.index.save(path)

    def notes(self):
        return [f"kernels chosen at run time: {self.index.hardware_acceleration}"]


class UsearchI8(Usearch):
    """The library's own cast to i8 assumes unit length, which suits the cosine only: for Euclidean data bytes are made
    here, by one affine map of the whole set; bytes that come in as floats are only moved, which loses nothing."""

    codes = "i8"
    metrics = ("euclidean", "angular")

    def restrict(self, allowed):
        raise Unsuitable("filters: not called with i8 here")

    def build(self, base):
        low, high = float(base.min()), float(base.max())
        self.middle, self.factor = (low + high) / 2, 254.0 / max(high - low, 1e-30)
        if low >= 0 and high <= 255 and np.array_equal(base, np.floor(base)):
            self.middle, self.factor = 128.0, 1.0
        super().build(base)

    def encoded(self, vectors):
        if not self.euclidean:
            return vectors
        return np.clip(np.rint((vectors - self.middle) * self.factor), -128, 127).astype(np.int8)


class Glass(Driver):
    """Searches coarse codes and re-ranks a fixed multiple of k by finer ones, which caps its recall: `over` asks for
    that many times k and keeps the nearest k, as a user who wants more recall would."""

    defaults = {"type": "HNSW", "R": 32, "L": 200, "build": "SQ8U", "search": "SQ4U", "refine": "FP16"}
    bits = {"FP32": 32, "FP16": 16, "BF16": 16, "SQ8": 8, "SQ8U": 8, "SQ6": 6, "SQ4": 4, "SQ4U": 4, "SQ4UA": 4, "SQ2U": 2}

    def build(self, base):
        import glass

        glass.set_num_threads(1)
        chosen = self.settings
        for what in ("build", "search"):
            if chosen[what] not in self.bits:
                raise Unsuitable(f"{what}={chosen[what]}: known codes are {', '.join(self.bits)}")
        metric = "L2" if self.euclidean else "IP"
        builder = glass.Index(chosen["type"], metric=metric, quant=chosen["build"], R=chosen["R"], L=chosen["L"])
        graph = builder.build(base)
        self.file = os.path.join(self.folder, "graph")
        graph.save(self.file)
        self.index = glass.Searcher(graph, base, metric, chosen["search"], chosen["refine"])
        self.index.set_ef(64)
        self.index.optimize(1)
        self.codes = "+".join(filter(None, (chosen["search"].lower(), chosen["refine"].lower())))
        self.over = 1

    def grid(self):
        overs = (1, 2, 4) if self.settings["refine"] else (1,)
        return [{"ef": ef, "over": over} for over in overs for ef in Effort.lengths if ef >= 10 * over]

    def family(self, setting):
        return setting["over"]

    def apply(self, setting, k):
        self.over = setting["over"]
        self.index.set_ef(max(setting["ef"], k))

    def many(self, queries, k):
        return self.index.batch_search(queries, k * self.over, 1)[0].reshape(len(queries), -1)[:, :k]

    def one(self, query, k):
        return self.index.search(query, k * self.over)[0][:k]

    def index_bytes(self):
        bits = sum(self.bits.get(self.settings[what], 0) for what in ("search", "refine"))
        return os.path.getsize(self.file) + bits * self.dim * self.count // 8

    def notes(self):
        return ["compiled on this machine by its own set-up (-Ofast -march=native); its size is the graph file and the "
                "nominal bytes of the codes"]
