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
    first_pair_at.resize(B * T);
    pair_id.resize(std::min(keys, B * T) + 1);
    pair_key.resize(std::min(keys, B * T) + 1);
    first_pair.resize(shape.joined + 1);
    pair_of_key_.assign(keys, -1);
}

void Batch::read(const int64_t* positions) {
    rows_before_ += num_rows;
    num_rows = 0;
    for (int i = 0; i < shape_.batch; ++i) {
        read_context(positions[i], context_of(num_rows));  // kept if it is new
        const int row = shape_.merges ? row_of_last() : num_rows;
        count[row] = row == num_rows ? 1 : count[row] + 1;
        num_rows += row == num_rows;
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

// The row whose context equals that of row `num_rows`, which is that row itself if there is no other.
int Batch::row_of_last() {
    uint64_t hash = 0;
    for (int w = 0; w < words_; ++w) {
        hash = (hash ^ word(num_rows, w)) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 32;
    }
    const size_t mask = slots_.size() - 1;
    size_t slot = hash & mask;
    for (; slots_[slot] >= rows_before_; slot = (slot + 1) & mask) {
        const int row = static_cast<int>(slots_[slot] - rows_before_);
        int w = 0;
        while (w < words_ && word(row, w) == word(num_rows, w)) ++w;
        if (w == words_) return row;
    }
    slots_[slot] = rows_before_ + num_rows;
    return num_rows;
}

uint64_t Batch::word(int row, int w) const {
    uint64_t word;
    std::memcpy(&word, &contexts_[(static_cast<size_t>(row) * words_ + w) * 4], sizeof word);
    return word;
}

void Batch::find_pairs() {
    const int T = shape_.context, n = shape_.joined, V = shape_.vocab_size;
    pairs_before_ += num_pairs;
    num_pairs = 0;
    for (int place = 0; place < n; ++place) {
        first_pair[place] = num_pairs;
        int64_t* pair_of_key = &pair_of_key_[static_cast<size_t>(place) * V];
        for (int row = 0; row < num_rows; ++row) {
            const uint16_t* ids = context_of(row);
            for (int t = place; t < T; t += n) {
                // Written as if it were new, and then written over if it was not: a branch would often be foreseen wrongly.
                const int id = ids[t];
                const int64_t known = pair_of_key[id] - pairs_before_;
                const int is_new = known < 0;
                const int pair = is_new ? num_pairs : static_cast<int>(known);
                pair_id[num_pairs] = id;
                pair_key[num_pairs] = place * V + id;
                num_pairs += is_new;
                pair_of_key[id] = pairs_before_ + pair;
                pair_at[static_cast<size_t>(row) * T + t] = pair;
                first_pair_at[static_cast<size_t>(row) * T + t] = pair ^ -is_new;
            }
        }
    }
    first_pair[n] = num_pairs;
}

}  // namespace moreish
