// A minibatch as the network wants it: what its examples have in common is found once.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace moreish {

// The ids of a corpus, of 8 or 16 bits.
struct Stream {
    const void* ids;
    bool is_wide;
    int64_t size;
    bool has_boundary;
    int operator[](int64_t position) const {
        return is_wide ? static_cast<const uint16_t*>(ids)[position] : static_cast<const uint8_t*>(ids)[position];
    }
};

struct BatchShape {
    int batch;       // B: examples
    int context;     // T: characters that each sees
    int joined;      // n: neighbouring characters that the first layer multiplies together; T is a multiple of it
    int vocab_size;  // V
    bool merges;     // whether equal contexts become one row; under dropout they differ
};

// Rows are the distinct contexts of a batch, in the order in which they occur; `count` says how many examples each has.
// Pairs are the distinct (place, character) that occur in them, by place, where place is the number of a character among
// the n that are joined. In names, 32 contexts of 3 characters have some 28 rows and 40 pairs.
class Batch {
public:
    Batch(Stream stream, BatchShape shape);

    void read(const int64_t* positions);

    int num_rows = 0;
    std::vector<float> count;              // (rows,)
    std::vector<int32_t> row_of_example;   // (B,)
    std::vector<int32_t> target;           // (B,)
    int num_pairs = 0;
    std::vector<int32_t> pair_at;          // (rows, T): the pair that stands there
    std::vector<int32_t> first_pair_at;    // the same, but ~pair where it comes for the first time
    std::vector<int32_t> pair_id;          // (pairs,): its character
    std::vector<int32_t> first_pair;       // (n + 1,): where the pairs of a place begin

private:
    void read_context(int64_t position);
    int row_of_last();
    void find_pairs();

    Stream stream_;
    BatchShape shape_;
    int words_;                       // of four ids each, that a context takes
    std::vector<uint64_t> contexts_;  // (B, words)
    std::vector<uint16_t> ids_;       // (B, T): the same
    // What the tables below hold is counted on from batch to batch, so that what an earlier one left in them shows by
    // being too small, and they need no clearing.
    int64_t rows_before_ = 0, pairs_before_ = 0;
    std::vector<int64_t> slots_;        // hash table of rows
    std::vector<int64_t> pair_of_key_;  // (n * V,)
};

}  // namespace moreish
