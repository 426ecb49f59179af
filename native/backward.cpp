// From the logits' gradient to the update of every parameter: the backward half of backprop/network.py.
#include <cmath>
#include <cstring>

#include "parts.h"

namespace moreish {
namespace {

// The weight gradient sums over rows in blocks of this many, so that a strip of them stays in the first cache.
constexpr int64_t ROW_BLOCK = 256;

}  // namespace

void Network::backward(const Rule& rule) {
    const Rule* now = spec_.clip > 0 ? nullptr : &rule;  // with clipping, all gradients come before the first update
    for (size_t l = layers_.size(); l-- > 0;) {
        Layer& layer = *layers_[l];
        const LayerSpec& spec = layer.spec;
        norm_backward(layer);
        if (l == 0) {
            first_backward(layer, now);
        } else {
            Layer& below = *layers_[l - 1];
            const ptrdiff_t ld_joined = spec.joined * below.ld;
            // Before the weight moves: the gradient of what stands below it.
            for (int j = 0; j < spec.joined; ++j)
                kernels_.product_times({layer.gradient(), layer.ld, 1}, layer.transposed_rows(j), layer.ld_in,
                                       below.slope.get() + j * below.ld, ld_joined, layer.rows, spec.fan_out,
                                       spec.fan_in);
            for (int j = 0; j < spec.joined; ++j)
                weight_step(layer, j, {below.out.get() + j * below.ld, 1, ld_joined}, layer.gradient(), layer.rows, now);
        }
        for (Packed* parameter : {layer.bias.get(), layer.gamma.get(), layer.beta.get()})
            if (parameter) step(*parameter, now);
    }
    if (spec_.clip > 0) clipped_steps(rule);
}

// From the gradient of what norm and bias made to that of what came in; their own gradients are kept.
void Network::norm_backward(Layer& layer) {
    const LayerSpec& spec = layer.spec;
    float* dout = layer.gradient();
    if (spec.norm == Norm::batch) {
        kernels_.batch_norm_backward(layer.norm, layer.count.data(), dout, layer.xhat.get(),
                                     layer.gamma->matrix.gradient, layer.beta->matrix.gradient, layer.ld, layer.rows,
                                     spec.fan_out);
    } else if (spec.norm == Norm::layer) {
        kernels_.layer_norm_backward(layer.gamma->matrix.value, layer.rstd.get(), dout, layer.xhat.get(),
                                     layer.gamma->matrix.gradient, layer.beta->matrix.gradient, layer.ld, layer.rows,
                                     spec.fan_out);
    }
    if (layer.bias) kernels_.column_sums(dout, layer.ld, layer.bias->matrix.gradient, layer.rows, spec.fan_out);
}

void Network::first_backward(Layer& layer, const Rule* rule) {
    const Batch& batch = *batch_;
    const LayerSpec& spec = layer.spec;
    kernels_.scatter_sum(layer.gradient(), layer.ld, batch.first_pair_at.data(), spec.joined, dtable_.get(), layer.ld, layer.rows,
                         spec.fan_out);
    if (!embedding_) {
        Matrix& weight = layer.weight->matrix;
        std::memset(weight.gradient, 0, layer.weight->plain.rows * weight.ld * sizeof(float));
        for (int j = 0; j < spec.joined; ++j)
            for (int p = batch.first_pair[j]; p < batch.first_pair[j + 1]; ++p)
                std::memcpy(weight.gradient + (j * spec.fan_in + batch.pair_id[p]) * weight.ld,
                            dtable_.get() + p * layer.ld, layer.ld * sizeof(float));
        step(*layer.weight, rule);
        return;
    }
    for (int j = 0; j < spec.joined; ++j) {
        const ptrdiff_t p = batch.first_pair[j], num = batch.first_pair[j + 1] - p;
        const float* dpairs = dtable_.get() + p * layer.ld;
        kernels_.product_transposed(dpairs, layer.ld, layer.weight_rows(j), layer.ld, dembedded_.get() + p * layer.ld_in,
                                    layer.ld_in, num, spec.fan_out, spec.fan_in);
        weight_step(layer, j, {embedded_.get() + p * layer.ld_in, 1, layer.ld_in}, dpairs, num, rule);
    }
    Matrix& embedding = embedding_->matrix;
    std::memset(embedding.gradient, 0, embedding_->plain.rows * embedding.ld * sizeof(float));
    for (int p = 0; p < batch.num_pairs; ++p) {
        float* gradient = embedding.gradient + batch.pair_id[p] * embedding.ld;
        const float* dpair = dembedded_.get() + p * layer.ld_in;
        for (int i = 0; i < spec.fan_in; ++i) gradient[i] += dpair[i];
    }
    step(*embedding_, rule);
}

// The rows of the weight that belong to one segment: their gradient is inputᵀ dout. It goes from the registers in which
// it was summed straight into the update; without a rule it is kept.
void Network::weight_step(Layer& layer, int segment, Left input, const float* dout, int64_t rows, const Rule* rule) {
    const LayerSpec& spec = layer.spec;
    const Matrix& weight = layer.weight->matrix;
    const ptrdiff_t first_row = static_cast<ptrdiff_t>(segment) * spec.fan_in;
    float* gradient = weight.gradient + first_row * weight.ld;
    Begin begin{nullptr, 0};
    int64_t r = 0;
    for (; r + ROW_BLOCK < rows; r += ROW_BLOCK) {
        kernels_.product({input.data + r * input.term, 1, input.term}, dout + r * layer.ld, layer.ld, begin, gradient,
                         weight.ld, spec.fan_in, ROW_BLOCK, spec.fan_out);
        begin = {gradient, weight.ld};
    }
    const Left rest{input.data + r * input.term, 1, input.term};
    if (!rule) {
        kernels_.product(rest, dout + r * layer.ld, layer.ld, begin, gradient, weight.ld, spec.fan_in, rows - r,
                         spec.fan_out);
        return;
    }
    kernels_.product_update(rest, dout + r * layer.ld, layer.ld, begin, weight, first_row, *rule, spec.fan_in, rows - r,
                            spec.fan_out);
    transpose(layer, segment);
}

// The gradient of what stands below a layer multiplies with the transposed weight, which is kept beside the weight.
void Network::transpose(Layer& layer, int segment) {
    if (!layer.transposed.get()) return;
    kernels_.transpose(layer.weight_rows(segment), layer.ld, layer.transposed_rows(segment), layer.ld_in,
                       layer.spec.fan_in, layer.spec.fan_out);
}

void Network::step(Packed& parameter, const Rule* rule) {
    if (rule) kernels_.update(parameter.matrix, *rule, 1.0f, parameter.plain.rows, parameter.plain.columns);
}

// With clipping all gradients must be known before the first update.
void Network::clipped_steps(const Rule& rule) {
    double squares = 0;
    for (Packed* parameter : parameters_)
        squares += kernels_.square_sum(parameter->matrix.gradient, parameter->matrix.ld, parameter->plain.rows,
                                       parameter->plain.columns);
    const double norm = std::sqrt(squares);
    const float scale = norm > spec_.clip ? static_cast<float>(spec_.clip / norm) : 1.0f;
    for (Packed* parameter : parameters_)
        kernels_.update(parameter->matrix, rule, scale, parameter->plain.rows, parameter->plain.columns);
    for (auto& layer : layers_)
        for (int j = 0; j < layer->spec.joined; ++j) transpose(*layer, j);
}

}  // namespace moreish
