// Draws items from a model that sees the last T symbols, as far as the probabilities after each context are known:
// generation/draw.py, compiled. A context that has not been met stops its item; Python is asked for the probabilities
// of all such contexts at once, and the items walk on. What a context gives is kept, for other items and other calls.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "philox.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

constexpr int64_t SYMBOLS_A_CALL = 1 << 22;  // a fraction of a second; between two calls Python sees a Ctrl-C
constexpr int64_t USUAL_LENGTH = 16;         // for which an item has room without asking for more

using Rows = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class T>
nb::ndarray<nb::numpy, T> to_numpy(std::unique_ptr<T[]> data, std::vector<size_t> shape) {
    nb::capsule owner(data.get(), [](void* p) noexcept { delete[] static_cast<T*>(p); });
    return nb::ndarray<nb::numpy, T>(data.release(), shape.size(), shape.data(), owner);
}

// What is known of contexts, by row: the log-probability of every symbol, and the running sums of the weights by which
// it is drawn, with the boundary and, where items have a least length, without. The last rows may still be unknown.
class Memory {
public:
    Memory(int vocab_size, int context, int64_t most_rows, bool has_sums_without_boundary)
        : V(vocab_size), T(context), most_rows_(most_rows), has_sums_without_boundary_(has_sums_without_boundary) {
        if (V < 1 || V > 1 << 16 || T < 0) throw nb::value_error("a vocabulary or a context beyond what 16 bits name");
        clear();
    }

    const int V, T;

    // The row of a context of T ids; a new one, still unknown, if it has none.
    int64_t row_of(const uint16_t* ids) {
        uint64_t hash = 0;
        for (int t = 0; t < T; ++t) hash = (hash ^ ids[t]) * 0x9E3779B97F4A7C15u, hash ^= hash >> 29;
        const size_t mask = slots_.size() - 1;
        size_t slot = hash & mask;
        for (; slots_[slot] >= 0; slot = (slot + 1) & mask)
            if (!std::memcmp(&keys_[slots_[slot] * T], ids, T * sizeof(uint16_t))) return slots_[slot];
        const int64_t row = num_rows_++;
        slots_[slot] = row;
        keys_.insert(keys_.end(), ids, ids + T);
        if (2 * static_cast<size_t>(num_rows_) > slots_.size()) rehash(2 * slots_.size());
        return row;
    }

    bool is_known(int64_t row) const { return row < num_known_; }
    const double* log_probabilities(int64_t row) const { return &log_probabilities_[row * V]; }
    bool has_sums_without_boundary() const { return has_sums_without_boundary_; }
    const double* sums(int64_t row, bool is_boundary_forbidden) const {
        return &(is_boundary_forbidden ? sums_without_boundary_ : sums_)[row * V];
    }

    // The contexts of the rows that are not known, (m, T).
    nb::ndarray<nb::numpy, int64_t> unknown() const {
        const size_t m = num_rows_ - num_known_;
        auto ids = std::make_unique<int64_t[]>(std::max<size_t>(m * T, 1));
        std::copy(keys_.end() - m * T, keys_.end(), ids.get());
        return to_numpy(std::move(ids), {m, static_cast<size_t>(T)});
    }

    // (m, V) each, in the order of `unknown`; the last (0, V) where items have no least length.
    void learn(Rows log_probabilities, Rows sums, Rows sums_without_boundary) {
        const int64_t m = num_rows_ - num_known_;
        const int64_t num_without = has_sums_without_boundary_ ? m : 0;
        for (const auto& [rows, expected] : {std::pair{&log_probabilities, m}, {&sums, m},
                                             {&sums_without_boundary, num_without}})
            if (static_cast<int64_t>(rows->shape(0)) != expected || rows->shape(1) != static_cast<size_t>(V))
                throw nb::value_error("rows do not fit what was asked for");
        if (num_known_ + m > most_rows_ && num_known_ > 0) forget_known();
        log_probabilities_.insert(log_probabilities_.end(), log_probabilities.data(), log_probabilities.data() + m * V);
        sums_.insert(sums_.end(), sums.data(), sums.data() + m * V);
        const double* without = sums_without_boundary.data();
        sums_without_boundary_.insert(sums_without_boundary_.end(), without, without + sums_without_boundary.size());
        num_known_ = num_rows_;
    }

    // Before a new batch: what an interrupted one asked for was never learnt.
    void forget_unknown() {
        if (num_rows_ > num_known_) clear();
    }

private:
    void clear() {
        slots_.assign(1024, -1);
        keys_.clear(), log_probabilities_.clear(), sums_.clear(), sums_without_boundary_.clear();
        num_rows_ = num_known_ = 0;
    }

    void forget_known() {
        const std::vector<uint16_t> unknown(keys_.begin() + num_known_ * T, keys_.end());
        const int64_t m = num_rows_ - num_known_;
        clear();
        for (int64_t row = 0; row < m; ++row) row_of(unknown.data() + row * T);
    }

    void rehash(size_t size) {
        const std::vector<uint16_t> keys = std::move(keys_);
        const int64_t num_rows = num_rows_;
        slots_.assign(size, -1);
        keys_.clear();
        keys_.reserve(2 * keys.size());
        num_rows_ = 0;
        for (int64_t row = 0; row < num_rows; ++row) row_of(keys.data() + row * T);
    }

    const int64_t most_rows_;
    const bool has_sums_without_boundary_;
    int64_t num_rows_ = 0, num_known_ = 0;
    std::vector<int64_t> slots_;  // open addressing: the row, or -1
    std::vector<uint16_t> keys_;  // (rows, T)
    std::vector<double> log_probabilities_, sums_, sums_without_boundary_;
};

struct Item {
    std::vector<uint16_t> ids;  // the last T that were seen before the prefix ended, then what was drawn
    uint32_t words[4];          // of four characters
    int64_t length;
    double nll;
    bool is_cut = false, is_stuck = false;
};

class Walk {
public:
    Walk(std::shared_ptr<Memory> memory, uint64_t seed, Ids numbers, Ids seen, int64_t start, int64_t limit,
         int64_t min_length, double nll, bool has_boundary)
        : memory_(std::move(memory)), seed_(seed), start_(start), limit_(limit), min_length_(min_length),
          has_boundary_(has_boundary) {
        if (static_cast<int>(seen.size()) != memory_->T) throw nb::value_error("a context of another length");
        for (size_t t = 0; t < seen.size(); ++t)
            if (seen(t) < 0 || seen(t) >= memory_->V) throw nb::value_error("an id that is not in the vocabulary");
        if (has_boundary && start < min_length && !memory_->has_sums_without_boundary())
            throw nb::value_error("a least length, and a memory without sums for it");
        if (start < 0 || start > limit) throw nb::value_error("a prefix longer than the limit");
        memory_->forget_unknown();
        numbers_.assign(numbers.data(), numbers.data() + numbers.size());
        items_.resize(numbers.size());
        for (Item& item : items_) {
            item.ids.reserve(seen.size() + std::min(limit - start, USUAL_LENGTH));
            item.ids.assign(seen.data(), seen.data() + seen.size());
            item.length = limit;
            item.nll = nll;
        }
        if (start < limit + has_boundary)
            for (size_t i = 0; i < items_.size(); ++i) growing_.push_back(i);
    }

    // Every item goes on to its end, or to a context that is not known; returns those contexts, (m, T), none of them
    // where only the call has lasted long enough, or nothing when all have ended.
    std::optional<nb::ndarray<nb::numpy, int64_t>> advance() {
        {
            nb::gil_scoped_release released;
            int64_t budget = SYMBOLS_A_CALL;
            size_t kept = 0;
            for (size_t i : growing_)
                if (!has_ended(items_[i], static_cast<uint64_t>(numbers_[i]), budget)) growing_[kept++] = i;
            growing_.resize(kept);
        }
        if (growing_.empty()) return std::nullopt;
        return memory_->unknown();
    }

    // What was drawn after the prefix (n, longest), and lengths, nlls, is_cut, is_stuck, (n,) each.
    nb::tuple results() const {
        const size_t n = items_.size(), T = memory_->T;
        size_t longest = 0;
        for (const Item& item : items_) longest = std::max(longest, item.ids.size() - T);
        auto ids = std::make_unique<int64_t[]>(std::max<size_t>(n * longest, 1));
        auto lengths = std::make_unique<int64_t[]>(n + 1);
        auto nlls = std::make_unique<double[]>(n + 1);
        auto is_cut = std::make_unique<bool[]>(n + 1), is_stuck = std::make_unique<bool[]>(n + 1);
        for (size_t i = 0; i < n; ++i) {
            std::copy(items_[i].ids.begin() + T, items_[i].ids.end(), ids.get() + i * longest);
            lengths[i] = items_[i].length;
            nlls[i] = items_[i].nll;
            is_cut[i] = items_[i].is_cut;
            is_stuck[i] = items_[i].is_stuck;
        }
        return nb::make_tuple(to_numpy(std::move(ids), {n, longest}), to_numpy(std::move(lengths), {n}),
                              to_numpy(std::move(nlls), {n}), to_numpy(std::move(is_cut), {n}),
                              to_numpy(std::move(is_stuck), {n}));
    }

private:
    bool has_ended(Item& item, uint64_t number, int64_t& budget) {
        const int V = memory_->V, T = memory_->T;
        for (;; --budget) {
            if (budget <= 0) return false;
            const int64_t row = memory_->row_of(item.ids.data() + item.ids.size() - T);
            if (!memory_->is_known(row)) return false;
            const int64_t position = start_ + static_cast<int64_t>(item.ids.size()) - T;
            if (position == start_ || position % 4 == 0)
                moreish::philox(static_cast<uint32_t>(position / 4), static_cast<uint32_t>(number),
                                static_cast<uint32_t>(number >> 32), 0, seed_, item.words);
            const bool is_boundary_forbidden = has_boundary_ && position < min_length_;
            const double* sums = memory_->sums(row, is_boundary_forbidden);
            const bool can_go_on = sums[V - 1] > 0;  // false for nan too
            int symbol = 0;
            if (can_go_on) {
                const double wanted = item.words[position % 4] * 0x1p-32 * sums[V - 1];
                for (int id = 0; id < V - 1; ++id) symbol += sums[id] <= wanted;
            }
            if (has_boundary_ && position == limit_) {
                item.is_cut = symbol != 0;
                symbol = 0;
            }
            item.nll -= memory_->log_probabilities(row)[symbol];
            item.is_stuck = !can_go_on;
            if (!can_go_on || (has_boundary_ && symbol == 0)) {
                item.length = position;
                return true;
            }
            item.ids.push_back(static_cast<uint16_t>(symbol));
            if (position + 1 == limit_ + has_boundary_) return true;
        }
    }

    std::shared_ptr<Memory> memory_;
    uint64_t seed_;
    int64_t start_, limit_, min_length_;
    bool has_boundary_;
    std::vector<int64_t> numbers_;
    std::vector<Item> items_;
    std::vector<size_t> growing_;
};

}  // namespace

NB_MODULE(_walk, m) {
    nb::class_<Memory>(m, "Memory")
        .def(nb::init<int, int, int64_t, bool>(), "vocab_size"_a, "context"_a, "most_rows"_a,
             "has_sums_without_boundary"_a)
        .def("learn", &Memory::learn, "log_probabilities"_a.noconvert(), "sums"_a.noconvert(),
             "sums_without_boundary"_a.noconvert());
    nb::class_<Walk>(m, "Walk")
        .def(nb::init<std::shared_ptr<Memory>, uint64_t, Ids, Ids, int64_t, int64_t, int64_t, double, bool>(),
             nb::kw_only(), "memory"_a, "seed"_a, "numbers"_a.noconvert(), "seen"_a.noconvert(), "start"_a, "limit"_a,
             "min_length"_a, "nll"_a, "has_boundary"_a)
        .def("advance", &Walk::advance)
        .def("results", &Walk::results);
}
