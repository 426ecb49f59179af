// A feed-forward network and its training step: engines/manual.py and backprop/network.py, compiled.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "batch.h"
#include "kernels.h"

namespace moreish {

enum class Norm { none, batch, layer };

// A parameter where Python has it: (rows, columns) without gaps, and what the optimiser keeps of it (or nullptr).
struct Parameter {
    float* value = nullptr;
    float* first = nullptr;
    float* second = nullptr;
    int rows = 0, columns = 0;
    bool decays = false;
};

struct LayerSpec {
    int joined;   // neighbouring positions that are multiplied together
    int fan_in;   // numbers of one of them
    int fan_out;
    Norm norm;
    Activation activation;  // none: the output layer, which has no dropout either
    Parameter weight, bias, gamma, beta;
    float* running_mean = nullptr;
    float* running_spread = nullptr;
};

struct NetworkSpec {
    int vocab_size, context;
    Parameter embedding;  // value nullptr: one-hot
    float norm_correction, norm_epsilon, norm_momentum;  // of batch norm; layer norm has epsilon 1e-5
    bool keeps_std;
    uint64_t dropout_seed;
    double dropout;
    RuleKind rule;
    double momentum, beta1, beta2, weight_decay;
    double clip;  // 0 for none
    std::vector<LayerSpec> layers;
};

// Which steps are measured, those whose number is a multiple of `every` (0: none), and where the next one's row goes.
struct Measures {
    int64_t every = 0;
    float saturation_threshold = 0;
    float* numbers = nullptr;    // OF_LAYER for each layer, then OF_PARAMETER for each parameter
    uint8_t* is_dead = nullptr;  // for each unit of each layer

    // As in moreish/statistics.py.
    enum OfLayer { MEAN, STD, PREACTIVATION_MEAN, PREACTIVATION_STD, SATURATION, GRADIENT_MEAN, GRADIENT_STD, OF_LAYER };
    enum OfParameter { VALUE_STD, OF_GRADIENT_MEAN, OF_GRADIENT_STD, UPDATE_STD, OF_PARAMETER };
};

// Floats from a multiple of 64 bytes, all zero.
class Floats {
public:
    Floats() = default;
    explicit Floats(size_t size);
    float* get() const { return data_.get(); }

private:
    struct Free {
        void operator()(float* data) const;
    };
    std::unique_ptr<float, Free> data_;
};

class Network {
public:
    Network(const Kernels& kernels, Stream stream, NetworkSpec spec);
    ~Network();

    // Carries out up to k steps on positions (k, B); losses (k,) receives each step's loss. Returns the number of steps
    // that were carried out: if it is below k, losses[it] is not finite.
    int64_t run(const int64_t* positions, int64_t k, int batch, const double* rates, int64_t first_step,
                int64_t num_done, Measures measures, float* losses);

private:
    struct Packed;
    struct Layer;

    void resize(int batch);
    std::unique_ptr<Batch> make_batch(int batch, bool merges) const;
    Rule rule(double rate, int64_t t) const;
    void load();
    void store();
    // forward.cpp
    float forward(int64_t step);
    void preactivate(size_t l);
    void activate(size_t l, int64_t step);
    float loss();
    void first_forward(Layer& layer);
    void remember_statistics();
    // backward.cpp
    void backward(const Rule& rule);
    void norm_backward(Layer& layer);
    // Without a rule (nullptr) the gradients are kept, and nothing moves.
    void first_backward(Layer& layer, const Rule* rule);
    void weight_step(Layer& layer, int segment, Left input, const float* dout, int64_t rows, const Rule* rule);
    void step(Packed& parameter, const Rule* rule);
    void transpose(Layer& layer, int segment);
    void clipped_steps(const Rule& rule);
    // statistics.cpp
    void measure_gradients(const int64_t* positions, int64_t step, const Measures& measures);
    void measure_forward(int64_t step, const Measures& measures);
    void measure_backward(const Measures& measures);
    void measure_updates(Measures& measures);

    const Kernels& kernels_;
    Stream stream_;
    NetworkSpec spec_;
    int batch_size_ = 0;
    std::unique_ptr<Batch> batch_;
    std::unique_ptr<Batch> unmerged_;  // the same examples, each a row; made when it is needed
    std::unique_ptr<Packed> embedding_;
    std::vector<std::unique_ptr<Layer>> layers_;
    std::vector<Packed*> parameters_;
    // Of the first layer, a row for each pair: its embedding, what the layer makes of it, and the gradients of both.
    Floats embedded_, dembedded_, table_, dtable_;
    Floats log_sum_;  // of each row
    Floats seen_;     // what a measured step looks at: as large as the largest layer's output; made when it is needed
};

}  // namespace moreish
