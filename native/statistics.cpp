// What is measured of a step: engines/measuring.py, compiled.
//
// A step merges equal contexts and never writes most gradients to memory, so it hides what is to be seen. A measured one
// is therefore looked into beforehand, with a row for every example and without an update, and then carried out as ever:
// measuring can change nothing.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "parts.h"

namespace moreish {
namespace {

struct Summary {
    float mean, std;
};

// Mean and spread of (rows, columns). What is summed is the distance from the first number, so that equal numbers have no
// spread.
Summary summarise(const Kernels& kernels, const float* x, ptrdiff_t ld, int64_t rows, int64_t columns) {
    const double origin = x[0], n = static_cast<double>(rows * columns);
    double sums[2];
    kernels.moments(x, ld, origin, sums, rows, columns);
    const double mean = sums[0] / n, variance = (sums[1] - sums[0] * mean) / (n - 1);  // of a single number: 0/0
    return {static_cast<float>(origin + mean), static_cast<float>(std::sqrt(variance < 0 ? 0 : variance))};
}

}  // namespace

void Network::measure_gradients(const int64_t* positions, int64_t step, const Measures& measures) {
    const bool merges = spec_.dropout == 0;
    if (merges && !unmerged_) unmerged_ = make_batch(batch_size_, false);
    if (merges) std::swap(batch_, unmerged_);
    batch_->read(positions);
    if (!seen_.get()) {
        int64_t most = 0;
        for (const auto& layer : layers_) most = std::max(most, batch_size_ * layer->positions * layer->ld);
        seen_ = Floats(most);
    }
    measure_forward(step, measures);
    measure_backward(measures);
    if (merges) std::swap(batch_, unmerged_);
}

void Network::measure_forward(int64_t step, const Measures& measures) {
    float* numbers = measures.numbers;
    uint8_t* is_dead = measures.is_dead;
    for (size_t l = 0; l < layers_.size(); ++l) {
        Layer& layer = *layers_[l];
        const int64_t rows = layer.positions * batch_size_, units = layer.spec.fan_out;
        preactivate(l);
        const Summary preactivation = summarise(kernels_, layer.out.get(), layer.ld, rows, units);
        numbers[Measures::PREACTIVATION_MEAN] = preactivation.mean;
        numbers[Measures::PREACTIVATION_STD] = preactivation.std;
        numbers[Measures::SATURATION] = std::nanf("");
        std::fill_n(is_dead, units, static_cast<uint8_t>(0));
        if (layer.spec.activation != Activation::none) {
            const float *y = layer.out.get(), *slope = layer.slope.get();
            if (spec_.dropout > 0) {  // without it first: a unit that was left out is neither saturated nor dead
                y = seen_.get();
                std::memcpy(seen_.get(), layer.out.get(), rows * layer.ld * sizeof(float));
                kernels_.activate(layer.spec.activation, Dropout{0, 0, 1}, seen_.get(), layer.slope.get(), layer.ld, rows,
                                  units);
            } else {
                activate(l, step);
            }
            int64_t num_saturated = 0;
            std::fill_n(is_dead, units, static_cast<uint8_t>(1));
            for (int64_t row = 0; row < rows; ++row)
                for (int64_t unit = 0; unit < units; ++unit) {
                    num_saturated += std::fabs(y[row * layer.ld + unit]) > measures.saturation_threshold;
                    is_dead[unit] &= slope[row * layer.ld + unit] == 0;
                }
            if (layer.spec.activation == Activation::tanh)
                numbers[Measures::SATURATION] = static_cast<float>(static_cast<double>(num_saturated) / (rows * units));
            if (spec_.dropout > 0) activate(l, step);
        }
        const Summary output = summarise(kernels_, layer.out.get(), layer.ld, rows, units);
        numbers[Measures::MEAN] = output.mean;
        numbers[Measures::STD] = output.std;
        numbers += Measures::OF_LAYER;
        is_dead += units;
    }
    loss();
}

// As backward() without a rule, but that the slopes are multiplied in after the gradient of what a layer passes on was
// seen.
void Network::measure_backward(const Measures& measures) {
    const float* dout = layers_.back()->gradient();
    for (size_t l = layers_.size(); l-- > 0;) {
        Layer& layer = *layers_[l];
        const Summary gradient = summarise(kernels_, dout, layer.ld, layer.rows, layer.spec.fan_out);
        measures.numbers[l * Measures::OF_LAYER + Measures::GRADIENT_MEAN] = gradient.mean;
        measures.numbers[l * Measures::OF_LAYER + Measures::GRADIENT_STD] = gradient.std;
        if (dout != layer.gradient())
            for (int64_t i = 0; i < layer.rows * layer.ld; ++i) layer.gradient()[i] *= dout[i];
        norm_backward(layer);
        if (l == 0) {
            first_backward(layer, nullptr);
            continue;
        }
        Layer& below = *layers_[l - 1];
        const ptrdiff_t ld_joined = layer.spec.joined * below.ld;
        for (int j = 0; j < layer.spec.joined; ++j) {
            kernels_.product({layer.gradient(), layer.ld, 1}, layer.transposed_rows(j), layer.ld_in, {nullptr, 0},
                             seen_.get() + j * below.ld, ld_joined, layer.rows, layer.spec.fan_out, layer.spec.fan_in);
            weight_step(layer, j, {below.out.get() + j * below.ld, 1, ld_joined}, layer.gradient(), layer.rows, nullptr);
        }
        dout = seen_.get();
    }
    float* numbers = measures.numbers + layers_.size() * Measures::OF_LAYER;
    for (Packed* parameter : parameters_) {
        const Matrix& matrix = parameter->matrix;
        const int rows = parameter->plain.rows, columns = parameter->plain.columns;
        const Summary gradient = summarise(kernels_, matrix.gradient, matrix.ld, rows, columns);
        numbers[Measures::VALUE_STD] = summarise(kernels_, matrix.value, matrix.ld, rows, columns).std;
        numbers[Measures::OF_GRADIENT_MEAN] = gradient.mean;
        numbers[Measures::OF_GRADIENT_STD] = gradient.std;
        numbers += Measures::OF_PARAMETER;
        const size_t size = static_cast<size_t>(rows) * matrix.ld;
        if (!parameter->before.get()) parameter->before = Floats(size);
        std::memcpy(parameter->before.get(), matrix.value, size * sizeof(float));
    }
}

// After the step; the next row is then the next measured step's.
void Network::measure_updates(Measures& measures) {
    measures.numbers += layers_.size() * Measures::OF_LAYER;
    for (Packed* parameter : parameters_) {
        const Matrix& matrix = parameter->matrix;
        const int rows = parameter->plain.rows, columns = parameter->plain.columns;
        float* update = parameter->before.get();
        for (int64_t i = 0; i < rows * matrix.ld; ++i) update[i] = matrix.value[i] - update[i];
        measures.numbers[Measures::UPDATE_STD] = summarise(kernels_, update, matrix.ld, rows, columns).std;
        measures.numbers += Measures::OF_PARAMETER;
    }
    for (auto& layer : layers_) measures.is_dead += layer->spec.fan_out;
}

}  // namespace moreish
