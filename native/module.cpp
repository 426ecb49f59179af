// The door to Python. Who calls it (engines/native.py) has checked shapes, ids and positions.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "kernels_module.h"
#include "network.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace moreish;

namespace {

using Array = nb::ndarray<float, nb::c_contig, nb::device::cpu>;
using Positions = nb::ndarray<const int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Rates = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Numbers = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Flags = nb::ndarray<uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<nb::ro, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// A parameter and its arrays, which live as long as it does.
struct HeldParameter {
    HeldParameter(Array value, std::optional<Array> first, std::optional<Array> second, bool decays)
        : arrays{value} {
        parameter.value = value.data();
        parameter.columns = static_cast<int>(value.shape(value.ndim() - 1));
        parameter.rows = static_cast<int>(value.size() / value.shape(value.ndim() - 1));
        parameter.decays = decays;
        if (first) parameter.first = first->data(), arrays.push_back(*first);
        if (second) parameter.second = second->data(), arrays.push_back(*second);
    }

    Parameter parameter;
    std::vector<Array> arrays;
};

struct HeldLayer {
    HeldLayer(int joined, const std::string& norm, const std::string& activation, const HeldParameter& weight,
              std::optional<HeldParameter> bias, std::optional<HeldParameter> gamma, std::optional<HeldParameter> beta,
              std::optional<Array> running_mean, std::optional<Array> running_spread) {
        spec.joined = joined;
        spec.fan_in = weight.parameter.rows / joined;
        spec.fan_out = weight.parameter.columns;
        spec.norm = norm == "batch" ? Norm::batch : norm == "layer" ? Norm::layer : Norm::none;
        spec.activation = activation == "tanh"   ? Activation::tanh
                          : activation == "relu" ? Activation::relu
                          : activation == "gelu" ? Activation::gelu
                                                 : Activation::none;
        spec.weight = take(weight);
        if (bias) spec.bias = take(*bias);
        if (gamma) spec.gamma = take(*gamma);
        if (beta) spec.beta = take(*beta);
        if (running_mean) spec.running_mean = running_mean->data(), arrays.push_back(*running_mean);
        if (running_spread) spec.running_spread = running_spread->data(), arrays.push_back(*running_spread);
    }

    Parameter take(const HeldParameter& held) {
        arrays.insert(arrays.end(), held.arrays.begin(), held.arrays.end());
        return held.parameter;
    }

    LayerSpec spec;
    std::vector<Array> arrays;
};

const Kernels& level_of(const std::optional<std::string>& name) {
    const Kernels* level = name ? find_level(name->c_str()) : levels()[0];
    if (!level) throw nb::value_error("this processor has no such instruction set");
    return *level;
}

class HeldNetwork {
public:
    HeldNetwork(const std::optional<std::string>& level, Ids stream, bool has_boundary, int vocab_size, int context,
                std::optional<HeldParameter> embedding, const std::vector<HeldLayer>& layers, float norm_correction,
                float norm_epsilon, float norm_momentum, bool keeps_std, uint64_t dropout_seed, double dropout,
                const std::string& rule, double momentum, double beta1, double beta2, double weight_decay, double clip)
        : stream_(stream) {
        NetworkSpec spec;
        spec.vocab_size = vocab_size;
        spec.context = context;
        if (embedding) {
            spec.embedding = embedding->parameter;
            arrays_ = embedding->arrays;
        }
        spec.norm_correction = norm_correction;
        spec.norm_epsilon = norm_epsilon;
        spec.norm_momentum = norm_momentum;
        spec.keeps_std = keeps_std;
        spec.dropout_seed = dropout_seed;
        spec.dropout = dropout;
        spec.rule = rule == "sgd" ? RuleKind::sgd : rule == "momentum" ? RuleKind::momentum : RuleKind::adamw;
        spec.momentum = momentum;
        spec.beta1 = beta1;
        spec.beta2 = beta2;
        spec.weight_decay = weight_decay;
        spec.clip = clip;
        for (const HeldLayer& layer : layers) {
            spec.layers.push_back(layer.spec);
            arrays_.insert(arrays_.end(), layer.arrays.begin(), layer.arrays.end());
        }
        const Stream ids{stream.data(), stream.itemsize() == 2, static_cast<int64_t>(stream.size()), has_boundary};
        network_ = std::make_unique<Network>(level_of(level), ids, std::move(spec));
    }

    // The losses of the steps that were carried out, and of the one that was not, where there is one.
    nb::tuple run(Positions positions, Rates rates, int64_t first_step, int64_t num_done, int64_t every,
                  float saturation_threshold, Numbers numbers, Flags is_dead) {
        const int64_t k = static_cast<int64_t>(positions.shape(0));
        auto* losses = new float[k > 0 ? k : 1];
        nb::capsule owner(losses, [](void* data) noexcept { delete[] static_cast<float*>(data); });
        int64_t done;
        {
            nb::gil_scoped_release released;
            done = network_->run(positions.data(), k, static_cast<int>(positions.shape(1)), rates.data(), first_step,
                                 num_done, {every, saturation_threshold, numbers.data(), is_dead.data()}, losses);
        }
        const size_t shape[] = {static_cast<size_t>(done)};
        nb::object failed = done < k ? nb::cast(losses[done]) : nb::none();
        return nb::make_tuple(nb::ndarray<nb::numpy, float>(losses, 1, shape, owner), failed);
    }

private:
    Ids stream_;
    std::vector<Array> arrays_;
    std::unique_ptr<Network> network_;
};

}  // namespace

NB_MODULE(_native, m) {
    m.def("levels", [] {
        std::vector<std::string> names;
        for (const Kernels* const* level = moreish::levels(); *level; ++level) names.emplace_back((*level)->name);
        return names;
    });
    bind_kernels(m);
    nb::class_<HeldParameter>(m, "Parameter")
        .def(nb::init<Array, std::optional<Array>, std::optional<Array>, bool>(), "value"_a.noconvert(),
             "first"_a.noconvert().none(), "second"_a.noconvert().none(), "decays"_a);
    nb::class_<HeldLayer>(m, "Layer")
        .def(nb::init<int, const std::string&, const std::string&, const HeldParameter&, std::optional<HeldParameter>,
                      std::optional<HeldParameter>, std::optional<HeldParameter>, std::optional<Array>,
                      std::optional<Array>>(),
             nb::kw_only(), "joined"_a, "norm"_a, "activation"_a, "weight"_a, "bias"_a.none(), "gamma"_a.none(),
             "beta"_a.none(), "running_mean"_a.noconvert().none(), "running_spread"_a.noconvert().none());
    nb::class_<HeldNetwork>(m, "Network")
        .def(nb::init<const std::optional<std::string>&, Ids, bool, int, int, std::optional<HeldParameter>,
                      const std::vector<HeldLayer>&, float, float, float, bool, uint64_t, double, const std::string&,
                      double, double, double, double, double>(),
             nb::kw_only(), "level"_a.none(), "stream"_a.noconvert(), "has_boundary"_a, "vocab_size"_a, "context"_a,
             "embedding"_a.none(), "layers"_a, "norm_correction"_a, "norm_epsilon"_a, "norm_momentum"_a, "keeps_std"_a,
             "dropout_seed"_a, "dropout"_a, "rule"_a, "momentum"_a, "beta1"_a, "beta2"_a, "weight_decay"_a, "clip"_a)
        .def("run", &HeldNetwork::run, "positions"_a.noconvert(), "rates"_a.noconvert(), "first_step"_a, "num_done"_a,
             "every"_a, "saturation_threshold"_a, "numbers"_a.noconvert(), "is_dead"_a.noconvert());
}
