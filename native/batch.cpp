#include "batch.h"

#include <algorithm>
#include <cstring>

namespace moreish {

Batch::Batch(Stream stream, BatchShape shape) : stream_(stream), shape_(shape), words_((shape.context + 3) / 4) {
    const size_t B = shape.batch, T = shape.context, keys = static_cast<size_t>(shape.joined) * shape.vocab_size;
    size_t num_slots = 4;
    while (num_slots < 2 * B) num_slots *= 2;
    count.resize(B);
    row_of_example.resize(B);
    target.resize(B);
    contexts_.assign(B * 4 * words_, 0);
    slots_.assign(num_slots, -1);
    pair_at.resize(B * T);
    places.resize(B * T);
    const size_t most_pairs = std::min(keys, B * T);
    pair_id.resize(most_pairs + 1);
    pair_key.resize(most_pairs + 1);
    starts.resize(most_pairs + 2);
    first_pair.resize(shape.joined + 1);
    pair_of_key_.resize(keys);
}

void Batch::read(const int64_t* positions) {
    for (int32_t slot : used_slots_) slots_[slot] = -1;
    used_slots_.clear();
    num_rows = 0;
    for (int i = 0; i < shape_.batch; ++i) {
        uint16_t* ids = &contexts_[static_cast<size_t>(num_rows) * 4 * words_];  // kept if it is new
        read_context(positions[i], ids);
        int row = num_rows;
        if (shape_.merges) {
            uint64_t hash = 0;
            for (int w = 0; w < words_; ++w) {
                uint64_t word;
                std::memcpy(&word, ids + 4 * w, 8);
                hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
                hash ^= hash >> 32;
            }
            row = row_of(hash, num_rows);
        }
        if (row == num_rows) {
            count[row] = 0;
            ++num_rows;
        }
        count[row] += 1;
        row_of_example[i] = row;
        target[i] = stream_[positions[i]];
    }
    find_pairs();
}

// corpus.windows.contexts: in a list, everything before the item's start is boundary.
void Batch::read_context(int64_t position, uint16_t* ids) const {
    const int T = shape_.context;
    int inside = -1;  // all ones until the boundary; a branch would often be foreseen wrongly
    for (int back = 1; back <= T; ++back) {
        const int id = stream_[std::max<int64_t>(position - back, 0)] & inside;
        inside &= -(id != 0 || !stream_.has_boundary);
        ids[T - back] = static_cast<uint16_t>(id);
    }
}

// The row whose context equals that of `row_if_new`, which may be that itself.
int Batch::row_of(uint64_t hash, int row_if_new) {
    const size_t mask = slots_.size() - 1, size = static_cast<size_t>(4) * words_;
    const uint16_t* ids = &contexts_[row_if_new * size];
    for (size_t slot = hash & mask;; slot = (slot + 1) & mask) {
        if (slots_[slot] < 0) {
            slots_[slot] = row_if_new;
            used_slots_.push_back(static_cast<int32_t>(slot));
            return row_if_new;
        }
        const uint16_t* others = &contexts_[slots_[slot] * size];
        if (!std::memcmp(others, ids, 8) && !std::memcmp(others, ids, 2 * size)) return slots_[slot];
    }
}

void Batch::find_pairs() {
    const int T = shape_.context, n = shape_.joined, V = shape_.vocab_size;
    std::fill(pair_of_key_.begin(), pair_of_key_.end(), 0);
    for (int row = 0; row < num_rows; ++row) {
        const uint16_t* ids = &contexts_[static_cast<size_t>(row) * 4 * words_];
        for (int t = 0, place = 0; t < T; ++t, place = place + 1 == n ? 0 : place + 1) ++pair_of_key_[place * V + ids[t]];
    }
    num_pairs = 0;
    starts[0] = 0;
    for (int place = 0; place < n; ++place) {
        first_pair[place] = num_pairs;
        for (int id = 0; id < V; ++id) {
            // Written even where the pair does not occur, and then written over: a branch would often be foreseen wrongly.
            int32_t& pair = pair_of_key_[place * V + id];
            const int occurs = pair != 0;
            starts[num_pairs + 1] = starts[num_pairs] + pair;
            pair_id[num_pairs] = id;
            pair_key[num_pairs] = place * V + id;
            pair = num_pairs;
            num_pairs += occurs;
        }
    }
    first_pair[n] = num_pairs;
    // `starts` moves while its rows are filled in, and then stands where the next pair's began.
    int32_t* pair_here = pair_at.data();
    int32_t row_here = 0;
    for (int row = 0; row < num_rows; ++row) {
        const uint16_t* ids = &contexts_[static_cast<size_t>(row) * 4 * words_];
        for (int t = 0; t < T; ++row_here)
            for (int place = 0; place < n; ++place, ++t) {
                const int32_t pair = pair_of_key_[place * V + ids[t]];
                *pair_here++ = pair;
                places[starts[pair]++] = row_here;
            }
    }
    for (int pair = num_pairs; pair > 0; --pair) starts[pair] = starts[pair - 1];
    starts[0] = 0;
}

}  // namespace moreish
