// From the characters to the loss, and its gradient in the logits: the forward half of backprop/network.py.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "parts.h"
#include "philox.h"

namespace moreish {

float Network::forward(int64_t step) {
    for (size_t l = 0; l < layers_.size(); ++l) {
        preactivate(l);
        activate(l, step);
    }
    return loss();
}

// Linear and norm.
void Network::preactivate(size_t l) {
    const Batch& batch = *batch_;
    Layer& layer = *layers_[l];
    const LayerSpec& spec = layer.spec;
    layer.rows = batch.num_rows * layer.positions;
    for (int u = 0; u < batch.num_rows; ++u)
        std::fill_n(&layer.count[u * layer.positions], layer.positions, batch.count[u]);
    if (l == 0) {
        first_forward(layer);
    } else {
        const Layer& below = *layers_[l - 1];
        for (int j = 0; j < spec.joined; ++j) {
            const Left input{below.out.get() + j * below.ld, spec.joined * below.ld, 1};
            const Begin bias{layer.bias ? layer.bias->matrix.value : nullptr, 0};
            const Begin begin = j ? Begin{layer.out.get(), layer.ld} : bias;
            kernels_.product(input, layer.weight_rows(j), layer.ld, begin, layer.out.get(), layer.ld, layer.rows,
                             spec.fan_in, spec.fan_out);
        }
    }
    if (spec.norm == Norm::batch) {
        const float n = static_cast<float>(batch_size_ * layer.positions);
        layer.norm = {layer.gamma->matrix.value, layer.beta->matrix.value,   layer.mean.get(),
                      layer.variance.get(),      layer.rstd.get(),           n,
                      spec_.norm_correction,     spec_.norm_epsilon};
        kernels_.batch_norm(layer.norm, layer.count.data(), layer.out.get(), layer.xhat.get(), layer.ld, layer.rows,
                            spec.fan_out);
    } else if (spec.norm == Norm::layer) {
        kernels_.layer_norm(layer.gamma->matrix.value, layer.beta->matrix.value, 1e-5f, layer.out.get(),
                            layer.xhat.get(), layer.rstd.get(), layer.ld, layer.rows, spec.fan_out);
    }
}

// In place; the head has no nonlinearity.
void Network::activate(size_t l, int64_t step) {
    Layer& layer = *layers_[l];
    const LayerSpec& spec = layer.spec;
    if (spec.activation == Activation::none) return;
    Dropout dropout{0, 0, 1};
    if (spec_.dropout > 0) {
        uint32_t words[4];
        philox(static_cast<uint32_t>(step), static_cast<uint32_t>(step >> 32), static_cast<uint32_t>(l), 1,
               spec_.dropout_seed, words);
        dropout.key = words[0];
        dropout.threshold =
            static_cast<uint32_t>(std::min<uint64_t>(static_cast<uint64_t>(spec_.dropout * 4294967296.0), UINT32_MAX));
        dropout.scale = static_cast<float>(1 / (1 - spec_.dropout));
    }
    kernels_.activate(spec.activation, dropout, layer.out.get(), layer.slope.get(), layer.ld, layer.rows,
                      spec.fan_out);
}

// The logits become their gradient; the loss is the mean of log(sum exp) minus the target's logit.
float Network::loss() {
    const Batch& batch = *batch_;
    Layer& head = *layers_.back();
    double total = 0;
    for (int i = 0; i < batch_size_; ++i) total -= head.out.get()[batch.row_of_example[i] * head.ld + batch.target[i]];
    kernels_.softmax(head.out.get(), log_sum_.get(), batch.count.data(), static_cast<float>(batch_size_), head.ld, head.rows,
                     head.spec.fan_out);
    for (int u = 0; u < batch.num_rows; ++u) total += static_cast<double>(batch.count[u]) * log_sum_.get()[u];
    for (int i = 0; i < batch_size_; ++i)
        head.out.get()[batch.row_of_example[i] * head.ld + batch.target[i]] -= 1.0f / static_cast<float>(batch_size_);
    return static_cast<float>(total / batch_size_);
}

void Network::first_forward(Layer& layer) {
    const Batch& batch = *batch_;
    const LayerSpec& spec = layer.spec;
    const float* bias = layer.bias ? layer.bias->matrix.value : nullptr;
    if (!embedding_) {
        // A one-hot row times the weight is a row of the weight.
        for (int j = 0; j < spec.joined; ++j)
            for (int p = batch.first_pair[j]; p < batch.first_pair[j + 1]; ++p)
                std::memcpy(table_.get() + p * layer.ld, layer.weight_rows(j) + batch.pair_id[p] * layer.ld,
                            layer.ld * sizeof(float));
    } else {
        for (int p = 0; p < batch.num_pairs; ++p)
            std::memcpy(embedded_.get() + p * layer.ld_in,
                        embedding_->matrix.value + batch.pair_id[p] * embedding_->matrix.ld,
                        layer.ld_in * sizeof(float));
        for (int j = 0; j < spec.joined; ++j) {
            const ptrdiff_t p = batch.first_pair[j], num = batch.first_pair[j + 1] - p;
            kernels_.product({embedded_.get() + p * layer.ld_in, layer.ld_in, 1}, layer.weight_rows(j), layer.ld,
                             {nullptr, 0}, table_.get() + p * layer.ld, layer.ld, num, spec.fan_in, spec.fan_out);
        }
    }
    kernels_.gather_sum(table_.get(), layer.ld, batch.pair_at.data(), spec.joined, bias, layer.out.get(), layer.ld,
                        layer.rows, spec.fan_out);
}

void Network::remember_statistics() {
    const float momentum = spec_.norm_momentum;
    const auto mix = [=](float kept, float now) { return (1 - momentum) * kept + momentum * now; };
    for (auto& layer : layers_) {
        if (layer->spec.norm != Norm::batch) continue;
        const float n = layer->norm.n, to_unbiased = (n - spec_.norm_correction) / (n - 1);
        const float *mean = layer->mean.get(), *variance = layer->variance.get();
        float *mean_kept = layer->spec.running_mean, *spread_kept = layer->spec.running_spread;
        const int units = layer->spec.fan_out;
        for (int i = 0; i < units; ++i) mean_kept[i] = mix(mean_kept[i], mean[i]);
        if (spec_.keeps_std)
            for (int i = 0; i < units; ++i) spread_kept[i] = mix(spread_kept[i], std::sqrt(variance[i] * to_unbiased));
        else
            for (int i = 0; i < units; ++i) spread_kept[i] = mix(spread_kept[i], variance[i] * to_unbiased);
    }
}

}  // namespace moreish
