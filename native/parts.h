// How a network keeps its parameters and layers: what forward.cpp and backward.cpp compute with, and statistics.cpp looks at.
#pragma once
#include <cstring>

#include "network.h"

namespace moreish {

// Floats from one row to the next: an odd number of cache lines, so that a column's rows do not fall on the same few
// places of the cache.
inline ptrdiff_t padded(ptrdiff_t columns) {
    const ptrdiff_t lines = (columns + 15) / 16;
    return 16 * (lines | 1);
}

// A parameter in padded rows, for as long as a call lasts.
struct Network::Packed {
    explicit Packed(const Parameter& parameter) : plain(parameter) {
        matrix.ld = padded(plain.columns);
        matrix.decays = plain.decays;
        const size_t size = matrix.ld * plain.rows;
        value = Floats(size);
        gradient = Floats(size);
        if (plain.first) first = Floats(size);
        if (plain.second) second = Floats(size);
        matrix.value = value.get();
        matrix.gradient = gradient.get();
        matrix.first = first.get();
        matrix.second = second.get();
    }

    void load() const {
        copy(plain.value, matrix.value, plain.columns, matrix.ld);
        copy(plain.first, matrix.first, plain.columns, matrix.ld);
        copy(plain.second, matrix.second, plain.columns, matrix.ld);
    }

    void store() const {
        copy(matrix.value, plain.value, matrix.ld, plain.columns);
        copy(matrix.first, plain.first, matrix.ld, plain.columns);
        copy(matrix.second, plain.second, matrix.ld, plain.columns);
    }

    void copy(const float* from, float* to, ptrdiff_t ld_from, ptrdiff_t ld_to) const {
        if (!from) return;
        for (int row = 0; row < plain.rows; ++row)
            std::memcpy(to + row * ld_to, from + row * ld_from, plain.columns * sizeof(float));
    }

    Parameter plain;
    Matrix matrix;
    Floats value, gradient, first, second;
    Floats before;  // the value before a measured step
};

struct Network::Layer {
    Layer(const LayerSpec& layer_spec, bool is_first)
        : spec(layer_spec), ld(padded(spec.fan_out)), ld_in(padded(spec.fan_in)) {
        weight = std::make_unique<Packed>(spec.weight);
        if (spec.bias.value) bias = std::make_unique<Packed>(spec.bias);
        if (spec.norm != Norm::none) {
            gamma = std::make_unique<Packed>(spec.gamma);
            beta = std::make_unique<Packed>(spec.beta);
            mean = Floats(ld);
            variance = Floats(ld);
        }
        if (!is_first) transposed = Floats(static_cast<size_t>(spec.joined) * spec.fan_out * ld_in);
    }

    // Rows of segment j, the j-th of the positions that are joined: (fan_in, fan_out), and transposed.
    float* weight_rows(int j) const { return weight->matrix.value + static_cast<ptrdiff_t>(j) * spec.fan_in * ld; }
    float* transposed_rows(int j) const { return transposed.get() + static_cast<ptrdiff_t>(j) * spec.fan_out * ld_in; }

    // The gradient of what the layer makes before its activation: the slopes are multiplied with that of its output, and
    // the head, which has none, turns its logits into their gradient.
    float* gradient() const { return spec.activation == Activation::none ? out.get() : slope.get(); }

    LayerSpec spec;
    ptrdiff_t ld, ld_in;
    int64_t positions = 1;  // L: rows for each context
    int64_t rows = 0;       // R, of this batch
    std::unique_ptr<Packed> weight, bias, gamma, beta;
    Floats transposed;
    Floats out, slope;  // (R, fan_out)
    Floats xhat, rstd;
    Floats mean, variance;  // of the batch, (fan_out,)
    std::vector<float> count;
    BatchNorm norm{};
};

}  // namespace moreish
