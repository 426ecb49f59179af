#include "batch.h"

#include <algorithm>

namespace moreish {

Batch::Batch(Stream stream, BatchShape shape) : stream_(stream), shape_(shape), words_((shape.context + 3) / 4) {
    const size_t B = shape.batch, T = shape.context, keys = static_cast<size_t>(shape.joined) * shape.vocab_size;
    size_t num_slots = 4;
    while (num_slots < 4 * B) num_slots *= 2;
    count.resize(B);
    row_of_example.resize(B);
    target.resize(B);
    contexts_.resize(B * words_);
    ids_.resize(B * T);
    slots_.assign(num_slots, -1);
    pair_at.resize(B * T);
    first_pair_at.resize(B * T);
    pair_id.resize(std::min(keys, B * T) + 1);
    first_pair.resize(shape.joined + 1);
    pair_of_key_.assign(keys, -1);
}

void Batch::read(const int64_t* positions) {
    rows_before_ += num_rows;
    num_rows = 0;
    for (int i = 0; i < shape_.batch; ++i) {
        read_context(positions[i]);
        const int row = shape_.merges ? row_of_last() : num_rows;
        count[row] = row == num_rows ? 1 : count[row] + 1;
        num_rows += row == num_rows;
        row_of_example[i] = row;
        target[i] = stream_[positions[i]];
    }
    find_pairs();
}

// corpus.windows.contexts: in a list, everything before the item's start is boundary. Into row `num_rows`, where the next
// context is read over this one if that was there before.
void Batch::read_context(int64_t position) {
    const int T = shape_.context;
    uint64_t* words = &contexts_[static_cast<size_t>(num_rows) * words_];
    uint16_t* ids = &ids_[static_cast<size_t>(num_rows) * T];
    const int has_no_end = -!stream_.has_boundary;
    int inside = -1;  // all ones until the boundary; a branch would often be foreseen wrongly
    for (int w = words_ - 1; w >= 0; --w) {
        uint64_t word = 0;
        for (int t = std::min(T, 4 * w + 4) - 1; t >= 4 * w; --t) {
            const int id = stream_[std::max<int64_t>(position - (T - t), 0)] & inside;
            inside &= -id >> 31 | has_no_end;
            word = word << 16 | static_cast<uint64_t>(id);
            ids[t] = static_cast<uint16_t>(id);
        }
        words[w] = word;
    }
}

// The row whose context equals that of row `num_rows`, which is that row itself if there is no other.
int Batch::row_of_last() {
    const uint64_t* last = &contexts_[static_cast<size_t>(num_rows) * words_];
    uint64_t hash = 0;
    for (int w = 0; w < words_; ++w) {
        hash = (hash ^ last[w]) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 32;
    }
    const size_t mask = slots_.size() - 1;
    size_t slot = hash & mask;
    for (; slots_[slot] >= rows_before_; slot = (slot + 1) & mask) {
        const int row = static_cast<int>(slots_[slot] - rows_before_);
        const uint64_t* other = &contexts_[static_cast<size_t>(row) * words_];
        int w = 0;
        while (w < words_ && other[w] == last[w]) ++w;
        if (w == words_) return row;
    }
    slots_[slot] = rows_before_ + num_rows;
    return num_rows;
}

void Batch::find_pairs() {
    const int n = shape_.joined, num_ids = num_rows * shape_.context;
    const int64_t before = pairs_before_ += num_pairs;
    int next = 0;
    for (int place = 0; place < n; ++place) {
        first_pair[place] = next;
        int64_t* pair_of_id = &pair_of_key_[static_cast<size_t>(place) * shape_.vocab_size];
        for (int i = place; i < num_ids; i += n) {
            // Written as if it were new, and then written over if it was not: a branch would often be foreseen wrongly.
            const int id = ids_[i];
            const int64_t known = pair_of_id[id] - before;
            const int is_new = known < 0, pair = is_new ? next : static_cast<int>(known);
            pair_id[next] = id;
            next += is_new;
            pair_of_id[id] = before + pair;
            pair_at[i] = pair;
            first_pair_at[i] = pair ^ -is_new;
        }
    }
    num_pairs = first_pair[n] = next;
}

}  // namespace moreish
