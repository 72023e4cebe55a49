"""What every driver offers, and the session that builds one and times it."""

import gc
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

MISSING = 0xFFFFFFFF


class Unsuitable(Exception):
    """The peer cannot take these data or parameters."""


def one_line(error):
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:300]


def size_on_disk(path):
    path = Path(path)
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


class Driver:
    """A peer. `given` overrides `defaults`; values take the type of the default."""

    defaults = {}
    metrics = ("euclidean", "angular", "ip")
    # Whether the batch call is nothing but a native loop over single queries: then its speed is that of a single
    # query without the cost of a Python call.
    loop = True
    # What is searched, for the records.
    codes = "f32"

    def __init__(self, metric, count, dim, folder, given):
        if metric not in self.metrics:
            raise Unsuitable(f"does not compare by {metric}")
        unknown = sorted(set(given) - set(self.defaults))
        if unknown:
            raise Unsuitable(f"unknown parameters {unknown}; known: {sorted(self.defaults)}")
        self.metric, self.count, self.dim, self.folder = metric, count, dim, folder
        self.settings = {key: type(value)(given.get(key, value)) for key, value in self.defaults.items()}
        self.euclidean = metric == "euclidean"

    def build(self, base):
        raise NotImplementedError

    def grid(self):
        """Settings by rising effort."""
        raise NotImplementedError

    def family(self, setting):
        """Settings of one family lie on one curve, which may end before the others do."""
        return 0

    def apply(self, setting, k):
        raise NotImplementedError

    def many(self, queries, k):
        """Ids, one row a query."""
        raise NotImplementedError

    def one(self, query, k):
        return self.many(query[None, :], k)[0]

    def restrict(self, allowed):
        """From now on only vectors whose byte in `allowed` is 1 are wanted; None lifts the condition."""
        raise Unsuitable("is not called with filters here")

    def save(self, path):
        """Writes the index to a file or folder, for its size."""
        raise NotImplementedError

    def index_bytes(self):
        path = os.path.join(self.folder, "saved")
        self.save(path)
        size = size_on_disk(path)
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
        return size

    def params(self):
        return " ".join(f"{key}={value}" for key, value in self.settings.items()) or "-"

    def notes(self):
        """What a reader should know to judge the figures."""
        return []


class Effort(Driver):
    """A graph with one list of candidates: its length `ef` is the effort."""

    lengths = (10, 12, 16, 20, 24, 32, 40, 56, 80, 112, 160, 224, 320, 448, 640, 900, 1300)

    def grid(self):
        return [{"ef": ef} for ef in self.lengths]


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def settle():
    """Gives freed memory back, so that growth of resident memory means something."""
    gc.collect()
    try:
        import ctypes

        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        pass


class Session:
    """A driver, its data, and the clock."""

    def __init__(self, driver, args, warm_up):
        self.driver, self.args, self.k, self.warm_up = driver, args, args.k, warm_up
        self.filter, self.refusal = None, None
        self.work = tempfile.TemporaryDirectory(prefix="peer-", dir=args.data)

    def build(self, given):
        base = np.load(os.path.join(self.args.data, "base.npy"))
        self.queries = np.load(os.path.join(self.args.data, "query.npy"))
        self.peer = self.driver(self.args.metric, len(base), base.shape[1], self.work.name, given)
        settle()
        before, start, cpu = resident(), time.perf_counter(), time.process_time()
        self.peer.build(base)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        settle()
        grown = max(0, resident() - before)
        del base
        settle()
        grid = self.peer.grid()
        return {
            "params": self.peer.params(),
            "codes": self.peer.codes,
            "build_s": seconds,
            "build_cpu_s": cpu,
            "index_bytes": self.peer.index_bytes(),
            "resident_bytes": grown,
            "loop": self.peer.loop,
            "grid": grid,
            "families": [self.peer.family(setting) for setting in grid],
            "notes": self.peer.notes(),
        }

    def restrict(self, wanted):
        if wanted == self.filter:
            if self.refusal:
                raise Unsuitable(self.refusal)
            return
        mask = None
        if wanted is not None:
            mask = np.load(os.path.join(self.args.data, f"filter-{wanted}.npy"))
            mask = np.ascontiguousarray(mask.reshape(-1), dtype=np.uint8)
        self.filter, self.refusal = wanted, None
        try:
            self.peer.restrict(mask)
        except Exception as error:
            # Kept: without the filter the next request would be answered, and wrong.
            self.refusal = one_line(error)
            raise

    def answer(self, request):
        self.restrict(request.get("filter"))
        self.peer.apply(request["setting"], self.k)
        if request["how"] == "calls":
            ids, answer = self.calls(request.get("queries") or len(self.queries))
        else:
            ids, answer = self.batch(request["how"] == "loop")
        if request.get("save"):
            self.keep(ids)
        return answer

    def batch(self, is_loop):
        """All queries in one call, after a warm-up; a batch that shares work is warmed up as a whole."""
        step = 100 if is_loop else len(self.queries)
        start = time.perf_counter()
        for at in range(0, len(self.queries), step):
            self.peer.many(self.queries[at : at + step], self.k)
            if time.perf_counter() - start > self.warm_up:
                break
        cpu, start = time.process_time(), time.perf_counter()
        ids = self.peer.many(self.queries, self.k)
        seconds = time.perf_counter() - start
        cpu = time.process_time() - cpu
        return ids, {"queries": len(self.queries), "seconds": seconds, "cpu_seconds": cpu, "latencies_us": []}

    def calls(self, count):
        """One Python call a query, its cost included."""
        rows = list(self.queries[:count])
        start = time.perf_counter()
        for row in rows:
            self.peer.one(row, self.k)
            if time.perf_counter() - start > self.warm_up:
                break
        ids, nanoseconds = [], np.empty(len(rows))
        clock, one, k = time.perf_counter_ns, self.peer.one, self.k
        cpu = time.process_time()
        for at, row in enumerate(rows):
            start = clock()
            found = one(row, k)
            nanoseconds[at] = clock() - start
            ids.append(found)
        cpu = time.process_time() - cpu
        answer = {"queries": len(rows), "seconds": float(nanoseconds.sum() / 1e9), "cpu_seconds": cpu}
        return ids, {**answer, "latencies_us": [round(float(value), 3) for value in nanoseconds / 1e3]}

    def keep(self, ids):
        table = np.full((len(self.queries), self.k), MISSING, dtype="<u4")
        for row, found in zip(table, ids):
            found = np.asarray(found).reshape(-1)[: self.k].astype(np.int64)
            found = found[(found >= 0) & (found < self.peer.count)]
            row[: len(found)] = found
        table.tofile(self.args.ids)
