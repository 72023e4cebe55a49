"""Scalable Vector Search (Intel): Vamana over f32, f16, or the library's own LVQ and LeanVec codes."""

import os
import shutil

import numpy as np

from .base import Driver, Unsuitable


def is_intel():
    try:
        with open("/proc/cpuinfo") as file:
            return "GenuineIntel" in file.read()
    except OSError:
        return False


class Vamana(Driver):
    """`code`: f32, f16, lvq8, lvq4x4, lvq4x8, leanvec (of half the dimensions), or auto: lvq4x8 where the library allows
    it, else f32. On a CPU that is not Intel's, the wheel ends the process at the first LVQ code."""

    defaults = {"degree": 64, "window": 200, "code": "auto"}
    known = ("f32", "f16", "lvq8", "lvq4x4", "lvq4x8", "leanvec")
    # The library's own distance for cosine normalises again; data come in at unit length.
    lengths = (10, 12, 16, 20, 24, 32, 40, 56, 80, 112, 160, 224, 320, 448, 640, 900, 1300)

    def build(self, base):
        import svs

        chosen = self.settings
        if chosen["code"] == "auto":
            chosen["code"] = "lvq4x8" if is_intel() else "f32"
        self.codes = chosen["code"]
        if self.codes not in self.known:
            raise Unsuitable(f"code={self.codes}: known are {', '.join(self.known)}")
        if self.codes not in ("f32", "f16") and not is_intel():
            raise Unsuitable(f"{self.codes}: the wheel allows its LVQ and LeanVec codes on Intel's CPUs only")
        distance = svs.DistanceType.L2 if self.euclidean else svs.DistanceType.MIP
        parameters = svs.VamanaBuildParameters(
            alpha=1.2 if self.euclidean else 0.95, graph_max_degree=chosen["degree"], window_size=chosen["window"]
        )
        data = self.data(svs, base)
        self.index = svs.Vamana.build(parameters, data, distance, num_threads=1)
        self.index.num_threads = 1

    def data(self, svs, base):
        if self.codes == "f32":
            return base
        if self.codes == "f16":
            return base.astype(np.float16)
        # Codes are made from a file only.
        path = os.path.join(self.folder, "base.fvecs")
        svs.write_vecs(base, path)
        loader = svs.VectorDataLoader(path, svs.DataType.float32, dims=self.dim)
        if self.codes == "leanvec":
            kinds = svs.LeanVecKind.lvq4, svs.LeanVecKind.lvq8
            return svs.LeanVecLoader(loader, max(1, self.dim // 2), *kinds)
        primary, _, residual = self.codes.removeprefix("lvq").partition("x")
        return svs.LVQLoader(loader, primary=int(primary), residual=int(residual or 0))

    def grid(self):
        return [{"window": window} for window in self.lengths]

    def apply(self, setting, k):
        self.index.search_window_size = max(setting["window"], k)

    def many(self, queries, k):
        return self.index.search(queries, k)[0]

    def one(self, query, k):
        return self.index.search(query, k)[0][0]

    def index_bytes(self):
        path = os.path.join(self.folder, "saved")
        os.makedirs(path)
        parts = [os.path.join(path, part) for part in ("config", "graph", "data")]
        self.index.save(*parts)
        size = sum(os.path.getsize(os.path.join(part, name)) for part in parts for name in os.listdir(part))
        shutil.rmtree(path)
        return size

    def notes(self):
        return ["kernels chosen at run time", "its LVQ and LeanVec codes are for Intel's CPUs only: the wheel ends the "
                "process elsewhere, so this is its graph over plain floats"] if not is_intel() else ["kernels chosen at run time"]
