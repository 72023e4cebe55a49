// Filtered search of hnswlib and usearch in a native loop: their Python interfaces have none, or call Python for every
// candidate. Each reads an index that its Python package has saved; `allowed` holds a byte for every vector.
//
// Compiled by filtered.py with -DHNSWLIB or -DUSEARCH against the library's own headers.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#if defined(HNSWLIB)
#include "hnswlib/hnswlib.h"

namespace {
struct Allowed : hnswlib::BaseFilterFunctor {
    const std::uint8_t* bytes;
    explicit Allowed(const std::uint8_t* bytes) : bytes(bytes) {}
    bool operator()(hnswlib::labeltype id) override { return bytes[id] != 0; }
};

struct Index {
    std::unique_ptr<hnswlib::SpaceInterface<float>> space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph;
    std::size_t dim;
};
}

extern "C" void* open_index(const char* path, std::size_t dim, int euclidean) try {
    auto index = std::make_unique<Index>();
    index->dim = dim;
    if (euclidean) index->space = std::make_unique<hnswlib::L2Space>(dim);
    else index->space = std::make_unique<hnswlib::InnerProductSpace>(dim);
    index->graph = std::make_unique<hnswlib::HierarchicalNSW<float>>(index->space.get(), std::string(path));
    return index.release();
} catch (...) {
    return nullptr;
}

extern "C" int search(void* opaque, const float* queries, std::size_t count, std::size_t k, std::size_t ef,
                      const std::uint8_t* allowed, std::uint32_t* out) try {
    Index& index = *static_cast<Index*>(opaque);
    index.graph->setEf(ef);
    Allowed filter(allowed);
    for (std::size_t query = 0; query < count; ++query) {
        auto found = index.graph->searchKnn(queries + query * index.dim, k, &filter);
        for (; !found.empty(); found.pop())
            if (found.size() <= k) out[query * k + found.size() - 1] = static_cast<std::uint32_t>(found.top().second);
    }
    return 0;
} catch (...) {
    return 1;
}

#elif defined(USEARCH)
#include "usearch/index_dense.hpp"

using unum::usearch::index_dense_t;

namespace {
struct Index {
    index_dense_t dense;
    std::size_t dim;
};
}

extern "C" void* open_index(const char* path, std::size_t dim, int) try {
    auto made = index_dense_t::make(path);
    if (!made) {
        std::fprintf(stderr, "usearch: %s\n", made.error.release());
        return nullptr;
    }
    return new Index{std::move(made.index), dim};
} catch (...) {
    return nullptr;
}

extern "C" int search(void* opaque, const float* queries, std::size_t count, std::size_t k, std::size_t ef,
                      const std::uint8_t* allowed, std::uint32_t* out) try {
    Index& index = *static_cast<Index*>(opaque);
    index.dense.change_expansion_search(ef);
    auto accept = [allowed](index_dense_t::vector_key_t key) { return allowed[key] != 0; };
    for (std::size_t query = 0; query < count; ++query) {
        auto found = index.dense.filtered_search(queries + query * index.dim, k, accept, 0);
        if (found.error) {
            found.error.release();
            return 1;
        }
        for (std::size_t at = 0; at < found.size() && at < k; ++at)
            out[query * k + at] = static_cast<std::uint32_t>(static_cast<std::uint64_t>(found[at].member.key));
    }
    return 0;
} catch (...) {
    return 1;
}
#endif
