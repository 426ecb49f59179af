#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "parts.h"

namespace moreish {

Floats::Floats(size_t size)
    : data_(static_cast<float*>(::operator new(std::max<size_t>(size, 1) * sizeof(float), std::align_val_t(64)))) {
    std::memset(data_.get(), 0, size * sizeof(float));
}

void Floats::Free::operator()(float* data) const { ::operator delete(data, std::align_val_t(64)); }

Network::Network(const Kernels& kernels, Stream stream, NetworkSpec spec)
    : kernels_(kernels), stream_(stream), spec_(std::move(spec)) {
    if (spec_.embedding.value) {
        embedding_ = std::make_unique<Packed>(spec_.embedding);
        parameters_.push_back(embedding_.get());
    }
    int64_t positions = spec_.context;
    for (const LayerSpec& layer_spec : spec_.layers) {
        layers_.push_back(std::make_unique<Layer>(layer_spec, layers_.empty()));
        Layer& layer = *layers_.back();
        positions /= layer_spec.joined;
        layer.positions = positions;
        for (Packed* parameter : {layer.weight.get(), layer.bias.get(), layer.gamma.get(), layer.beta.get()})
            if (parameter) parameters_.push_back(parameter);
    }
}

Network::~Network() = default;

void Network::resize(int batch) {
    if (batch == batch_size_) return;
    batch_size_ = 0;
    const Layer& first = *layers_[0];
    batch_ = make_batch(batch, spec_.dropout == 0);
    unmerged_.reset();
    seen_ = Floats();
    const size_t most_pairs = batch_->pair_id.size();
    table_ = Floats(most_pairs * first.ld);
    dtable_ = Floats(most_pairs * first.ld);
    embedded_ = Floats(embedding_ ? most_pairs * first.ld_in : 0);
    dembedded_ = Floats(embedding_ ? most_pairs * first.ld_in : 0);
    log_sum_ = Floats(batch);
    for (auto& layer : layers_) {
        const size_t rows = batch * layer->positions, size = rows * layer->ld;
        layer->out = Floats(size);
        layer->slope = Floats(layer->spec.activation == Activation::none ? 0 : size);
        layer->xhat = Floats(layer->spec.norm != Norm::none ? size : 0);
        layer->rstd = Floats(std::max<size_t>(rows, layer->ld));  // of a row, or of a column
        layer->count.resize(rows);
    }
    batch_size_ = batch;
}

std::unique_ptr<Batch> Network::make_batch(int batch, bool merges) const {
    return std::make_unique<Batch>(
        stream_, BatchShape{batch, spec_.context, layers_[0]->spec.joined, spec_.vocab_size, merges});
}

int64_t Network::run(const int64_t* positions, int64_t k, int batch, const double* rates, int64_t first_step,
                     int64_t num_done, Measures measures, float* losses) {
    resize(batch);
    load();
    int64_t done = 0;
    for (; done < k; ++done) {
        const bool is_measured = measures.every && (first_step + done) % measures.every == 0;
        if (is_measured) measure_gradients(positions + done * batch, first_step + done, measures);
        batch_->read(positions + done * batch);
        losses[done] = forward(first_step + done);
        if (!std::isfinite(losses[done])) break;
        remember_statistics();
        backward(rule(rates[done], num_done + done + 1));
        if (is_measured) measure_updates(measures);
    }
    store();
    return done;
}

// Of the t-th step.
Rule Network::rule(double rate, int64_t t) const {
    Rule rule{};
    rule.kind = spec_.rule;
    rule.rate = static_cast<float>(rate);
    rule.keep = static_cast<float>(1 - rate * spec_.weight_decay);
    rule.momentum = static_cast<float>(spec_.momentum);
    if (rule.kind != RuleKind::adamw) return rule;
    rule.beta1 = static_cast<float>(spec_.beta1);
    rule.beta2 = static_cast<float>(spec_.beta2);
    rule.mean_scale = static_cast<float>(1 / (1 - std::pow(spec_.beta1, static_cast<double>(t))));
    rule.square_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(spec_.beta2, static_cast<double>(t))));
    return rule;
}

void Network::load() {
    for (Packed* parameter : parameters_) parameter->load();
    for (auto& layer : layers_)
        for (int j = 0; j < layer->spec.joined; ++j) transpose(*layer, j);
}

void Network::store() {
    for (Packed* parameter : parameters_) parameter->store();
}

}  // namespace moreish
