#!/usr/bin/env python3
"""Exact residual-correlation search beside brute force as one writes it with numpy: blocks of queries against blocks of
points, products by OpenBLAS in f64, covariances in place, the k best by `argpartition`.

    python3 -m venv .venv && .venv/bin/pip install numpy==2.4.6 scipy==1.17.1
    .venv/bin/python benches/peers/covertree/residual_numpy.py [--case gp-matern52-3d] [--rounds 5]

The workloads are those of `cargo xtask bench --suite covertree --case gp-` (all five, unless --case picks by a part of the
name): the same points, kernel and rank, k = 50; inducing points are drawn anew. Its engine (`residual, related`, and `residual` without relations) and its own brute force run in
turns with numpy's, and everything is counted in seconds that one thread had a core. --blocks Q,P sets the block sizes
(several are tried first, and the fastest is taken, unless it is given); `products only` is the matrix product alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
# An OpenBLAS older than the CPU takes it for one of twenty years ago, and so may a setting of the environment.
if os.path.exists("/proc/cpuinfo"):
    FLAGS = open("/proc/cpuinfo").read().split()
    if "avx2" in FLAGS:
        os.environ["OPENBLAS_CORETYPE"] = "SkylakeX" if "avx512vl" in FLAGS else "Haswell"
        os.environ.pop("OPENBLAS_L2_SIZE", None)
import numpy as np  # noqa: E402  (the thread count must be set first)
from scipy.linalg import solve_triangular  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[3]
N, QUERIES, K, JITTER, FLOOR = 32768, 1024, 50, 1e-6, 1e-9


def rbf(squared):
    squared *= -0.5
    return np.exp(squared, out=squared)


def matern12(squared):
    np.sqrt(squared, out=squared)
    np.negative(squared, out=squared)
    return np.exp(squared, out=squared)


def matern32(squared):
    squared *= 3.0
    np.sqrt(squared, out=squared)
    factor = squared + 1.0
    np.negative(squared, out=squared)
    np.exp(squared, out=squared)
    squared *= factor
    return squared


def matern52(squared):
    squared *= 5.0
    factor = squared / 3.0
    np.sqrt(squared, out=squared)
    factor += squared
    factor += 1.0
    np.negative(squared, out=squared)
    np.exp(squared, out=squared)
    squared *= factor
    return squared


# name: (dimensions, normal or uniform points, covariance of squared distances over lengthscales, lengthscale, rank)
CASES = {
    "gp-gold-32k": (3, "normal", rbf, 1.0, 512),
    "gp-matern52-3d-32k": (3, "normal", matern52, 1.0, 512),
    "gp-matern32-3d-32k": (3, "uniform", matern32, 0.3, 200),
    "gp-matern12-3d-32k": (3, "uniform", matern12, 0.3, 200),
    "gp-matern32-2d-32k": (2, "uniform", matern32, 0.2, 200),
}


class Field:
    """Points, V and weights of a workload."""

    def __init__(self, dim, spread, covariance, lengthscale, rank):
        rng = np.random.default_rng(42)
        points = rng.normal(size=(N, dim)) if spread == "normal" else rng.random((N, dim))
        self.x = points / lengthscale
        self.norms = (self.x * self.x).sum(axis=1)
        self.covariance = covariance
        chosen = np.sort(np.random.default_rng(42).choice(N, size=rank, replace=False))
        of_inducing = covariance(self.squared(chosen, chosen)) + JITTER * np.eye(rank)
        rest = covariance(self.squared(chosen, np.arange(N)))
        v = solve_triangular(np.linalg.cholesky(of_inducing), rest, lower=True)
        self.vt = np.ascontiguousarray(v)
        self.v = np.ascontiguousarray(v.T)
        self.weights = 1.0 / np.sqrt(np.maximum(1.0 - (v * v).sum(axis=0), FLOOR))

    def squared(self, a, b):
        squared = self.x[a] @ self.x[b].T
        squared *= -2.0
        squared += self.norms[a][:, None]
        squared += self.norms[b]
        return np.maximum(squared, 0.0, out=squared)

    def products(self, queries, blocks):
        """The matrix products alone."""
        for begin in range(0, len(queries), blocks[0]):
            v = self.v[queries[begin:begin + blocks[0]]]
            for start in range(0, N, blocks[1]):
                v @ self.vt[:, start:start + blocks[1]]

    def search(self, queries, blocks):
        """The K nearest of each of some points, itself first."""
        found = np.empty((len(queries), K), dtype=np.int64)
        rho = np.empty((blocks[0], N))
        for begin in range(0, len(queries), blocks[0]):
            members = queries[begin:begin + blocks[0]]
            v, all_rho = self.v[members], rho[:len(members)]
            for start in range(0, N, blocks[1]):
                points = slice(start, start + blocks[1])
                part = self.covariance(self.squared(members, points))
                part -= v @ self.vt[:, points]
                part *= self.weights[points]
                np.abs(part, out=all_rho[:, points])
            all_rho[np.arange(len(members)), members] = np.inf
            best = np.argpartition(all_rho, N - K, axis=1)[:, N - K:]
            order = np.argsort(-np.take_along_axis(all_rho, best, axis=1), axis=1)
            found[begin:begin + blocks[0]] = np.take_along_axis(best, order, axis=1)
        return found

    def check(self, queries, found):
        """A few answers against pairs one by one."""
        for query, ids in list(zip(queries, found))[:8]:
            k = self.covariance(((self.x - self.x[query]) ** 2).sum(axis=1))
            rho = np.abs(k - self.v @ self.v[query]) * self.weights
            rho[query] = np.inf
            least = np.sort(rho)[-K]
            if ids[0] != query or (rho[ids] < least * (1.0 - 1e-6)).any():
                raise SystemExit(f"numpy's brute force is wrong at {query}")


def speed(work, queries):
    start = time.process_time()
    work(queries)
    return len(queries) / (time.process_time() - start)


def ours(name, out):
    """Queries per second of the engine, with related blocks if there are any, of the engine without, and of our own brute force,
    and the engine's recall."""
    command = ["cargo", "xtask", "bench", "--suite", "covertree", "--case", name, "--runs", "3", "--out", out]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    records = {record["index"]: record for record in map(json.loads, open(Path(out) / "results.jsonl"))}
    plain, brute = records["residual"], records["brute-force"]
    engine = records.get("residual, related", plain)
    middle = lambda record: statistics.median(record["qps_runs"])  # noqa: E731
    return middle(engine), middle(plain), middle(brute), min(engine["recall_id"], plain["recall_id"])


def told(values):
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--case", default="gp-")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--blocks", help="queries,points of a block")
    parser.add_argument("--only-numpy", action="store_true", help="do not run ours")
    args = parser.parse_args()
    print(f"numpy {np.__version__}, n = {N}, k = {K}, one thread; queries/s, median (range)")
    for name, case in CASES.items():
        if args.case not in name:
            continue
        field = Field(*case)
        queries = np.random.default_rng(43).integers(0, N, size=QUERIES)
        tried = [tuple(map(int, args.blocks.split(",")))] if args.blocks else [
            (q, p) for q in (32, 64, 128, 256) for p in (512, 1024, 2048, 4096, 32768)]
        rates = {blocks: speed(lambda some: field.search(some, blocks), queries[:256]) for blocks in tried}
        blocks = max(rates, key=rates.get)
        field.check(queries, field.search(queries[:256], blocks))
        numpy_all, products, engine, plain, brute, ratios, recall = [], [], [], [], [], [], 0.0
        with tempfile.TemporaryDirectory() as out:
            for _ in range(args.rounds):
                numpy_all.append(speed(lambda some: field.search(some, blocks), queries))
                products.append(speed(lambda some: field.products(some, blocks), queries))
                if not args.only_numpy:
                    fast, unrelated, own, recall = ours(name, out)
                    engine.append(fast)
                    plain.append(unrelated)
                    brute.append(own)
                    ratios.append(fast / numpy_all[-1])
        print(f"{name}: numpy {told(numpy_all)} in blocks of {blocks[0]} x {blocks[1]}, products only {told(products)}")
        if ratios:
            print(f"  ours, recall {recall:.4f}: {told(engine)}, blocks not related {told(plain)}, own brute force {told(brute)}; "
                  f"engine over numpy {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})", flush=True)


if __name__ == "__main__":
    sys.exit(main())
