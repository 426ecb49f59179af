#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "parts.h"

namespace moreish {
namespace {

// The weight gradient sums over rows in blocks of this many, so that a strip of them stays in the first cache.
constexpr int64_t ROW_BLOCK = 256;

// Philox 4x32-10, first word: draws.philox.
uint32_t philox(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint64_t seed) {
    uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
        const uint64_t product0 = 0xD2511F53ull * c0, product1 = 0xCD9E8D57ull * c2;
        c0 = static_cast<uint32_t>(product1 >> 32) ^ c1 ^ key0;
        c1 = static_cast<uint32_t>(product1);
        c2 = static_cast<uint32_t>(product0 >> 32) ^ c3 ^ key1;
        c3 = static_cast<uint32_t>(product0);
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return c0;
}

}  // namespace

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
        Rule rule{};
        const double t = static_cast<double>(num_done + done + 1);
        rule.kind = spec_.rule;
        rule.rate = static_cast<float>(rates[done]);
        rule.keep = static_cast<float>(1 - rates[done] * spec_.weight_decay);
        rule.momentum = static_cast<float>(spec_.momentum);
        rule.beta1 = static_cast<float>(spec_.beta1);
        rule.beta2 = static_cast<float>(spec_.beta2);
        rule.mean_scale = static_cast<float>(1 / (1 - std::pow(spec_.beta1, t)));
        rule.square_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(spec_.beta2, t)));
        backward(rule);
        if (is_measured) measure_updates(measures);
    }
    store();
    return done;
}

void Network::load() {
    for (Packed* parameter : parameters_) parameter->load();
    for (auto& layer : layers_)
        for (int j = 0; j < layer->spec.joined; ++j) transpose(*layer, j);
}

void Network::store() {
    for (Packed* parameter : parameters_) parameter->store();
}

// --- Forward ---

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
        dropout.key = philox(static_cast<uint32_t>(step), static_cast<uint32_t>(step >> 32),
                             static_cast<uint32_t>(l), 1, spec_.dropout_seed);
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
    for (auto& layer : layers_) {
        if (layer->spec.norm != Norm::batch) continue;
        const float n = layer->norm.n, to_unbiased = (n - spec_.norm_correction) / (n - 1);
        for (int i = 0; i < layer->spec.fan_out; ++i) {
            float spread = layer->variance.get()[i] * to_unbiased;
            if (spec_.keeps_std) spread = std::sqrt(spread);
            float& mean_kept = layer->spec.running_mean[i];
            float& spread_kept = layer->spec.running_spread[i];
            mean_kept = (1 - momentum) * mean_kept + momentum * layer->mean.get()[i];
            spread_kept = (1 - momentum) * spread_kept + momentum * spread;
        }
    }
}

// --- Backward ---

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
