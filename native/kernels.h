// What is computed, as a table of functions: one table for every instruction set, filled by kernels.inc.
//
// Legend: R rows (examples, or examples times positions), N columns, K terms of a sum, ld the distance of two rows in
// floats. Every row begins at a multiple of 64 bytes and has zeros from its N columns to the next multiple of LANES.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace moreish {

enum class Activation { none, tanh, relu, gelu };
enum class RuleKind { sgd, momentum, adamw };

// One step of an optimiser; see engines/updates.py, whose names these are.
struct Rule {
    RuleKind kind;
    float rate;
    float keep;  // 1 - rate * weight_decay, for parameters that decay
    float momentum;
    float beta1, beta2;
    float mean_scale, square_scale;  // 1 / (1 - beta1^t), 1 / sqrt(1 - beta2^t)
};

// A parameter matrix (or, with one row, vector) in its padded form, and what the optimiser keeps of it.
struct Matrix {
    float* value;
    float* gradient;
    float* first;   // velocity, or mean of the gradients
    float* second;  // mean of their squares
    ptrdiff_t ld;
    bool decays;
};

// The left factor of a product: element (i, k) stands at data[i * row + k * term]; one of the two strides is 1.
struct Left {
    const float* data;
    ptrdiff_t row, term;
};

// What a product begins with: nothing (nullptr), a bias (ld 0), or what was summed before (its ld).
struct Begin {
    const float* data;
    ptrdiff_t ld;
};

// Dropout of one layer and step: backprop's mask, a function of the key and the element's number. threshold 0: none.
struct Dropout {
    uint32_t key;
    uint32_t threshold;
    float scale;
};

struct BatchNorm {
    const float* gamma;
    const float* beta;
    float* mean;
    float* variance;  // over n - correction
    float* rstd;
    float n, correction, epsilon;
};

struct Kernels {
    const char* name;

    // out = begin + a b, with a (M, K), b (K, N); the second form multiplies what stands in `out` with a b.
    void (*product)(Left a, const float* b, ptrdiff_t ldb, Begin begin, float* out, ptrdiff_t ldo, ptrdiff_t M,
                    ptrdiff_t K, ptrdiff_t N);
    void (*product_times)(Left a, const float* b, ptrdiff_t ldb, float* out, ptrdiff_t ldo, ptrdiff_t M, ptrdiff_t K,
                          ptrdiff_t N);
    // out = a bᵀ, with a (M, K), b (N, K): for few columns N.
    void (*product_transposed)(const float* a, ptrdiff_t lda, const float* b, ptrdiff_t ldb, float* out, ptrdiff_t ldo,
                               ptrdiff_t M, ptrdiff_t K, ptrdiff_t N);
    // parameter rows [first_row, first_row + M) take the step that their gradient, begin + a b, asks for.
    void (*product_update)(Left a, const float* b, ptrdiff_t ldb, Begin begin, const Matrix& parameter,
                           ptrdiff_t first_row, const Rule& rule, ptrdiff_t M, ptrdiff_t K, ptrdiff_t N);
    // The step from `parameter.gradient * scale`, for (M, N).
    void (*update)(const Matrix& parameter, const Rule& rule, float scale, ptrdiff_t M, ptrdiff_t N);
    double (*square_sum)(const float* x, ptrdiff_t ld, ptrdiff_t M, ptrdiff_t N);
    void (*transpose)(const float* x, ptrdiff_t ldx, float* out, ptrdiff_t ldo, ptrdiff_t M, ptrdiff_t N);

    // out[r] = bias + sum over j < n of table[index[r * n + j]].
    void (*gather_sum)(const float* table, ptrdiff_t ldt, const int32_t* index, ptrdiff_t n, const float* bias,
                       float* out, ptrdiff_t ldo, ptrdiff_t R, ptrdiff_t N);
    // Its transpose: out[p] = sum of x[r] over all r and j < n with index[r * n + j] = p. Where p comes for the first
    // time, index holds ~p.
    void (*scatter_sum)(const float* x, ptrdiff_t ldx, const int32_t* index, ptrdiff_t n, float* out, ptrdiff_t ldo,
                        ptrdiff_t R, ptrdiff_t N);
    void (*column_sums)(const float* x, ptrdiff_t ldx, float* out, ptrdiff_t R, ptrdiff_t N);

    // y in place, and its slope dy/dx, both times the dropout mask.
    void (*activate)(Activation kind, Dropout dropout, float* x, float* slope, ptrdiff_t ld, ptrdiff_t R, ptrdiff_t N);

    // count[r]: how many examples of the batch row r stands for.
    void (*batch_norm)(const BatchNorm& norm, const float* count, float* x, float* xhat, ptrdiff_t ld, ptrdiff_t R,
                       ptrdiff_t N);
    void (*batch_norm_backward)(const BatchNorm& norm, const float* count, float* dx, const float* xhat, float* dgamma,
                                float* dbeta, ptrdiff_t ld, ptrdiff_t R, ptrdiff_t N);
    void (*layer_norm)(const float* gamma, const float* beta, float epsilon, float* x, float* xhat, float* rstd,
                       ptrdiff_t ld, ptrdiff_t R, ptrdiff_t N);
    void (*layer_norm_backward)(const float* gamma, const float* rstd, float* dx, const float* xhat, float* dgamma,
                                float* dbeta, ptrdiff_t ld, ptrdiff_t R, ptrdiff_t N);

    // x becomes count * softmax(x) / n; log_sum[r] is max + log(sum exp(x - max)).
    void (*softmax)(float* x, float* log_sum, const float* count, float n, ptrdiff_t ld, ptrdiff_t R, ptrdiff_t N);

    // sums[0] and sums[1]: of x - origin and of its square, over all of (R, N).
    void (*moments)(const float* x, ptrdiff_t ld, double origin, double* sums, ptrdiff_t R, ptrdiff_t N);
};

// The tables that this build has and this processor can run, fastest first; ends with nullptr.
const Kernels* const* levels();

// The table of that name; nullptr where this processor has none.
const Kernels* find_level(const char* name);

}  // namespace moreish
