// The kernels one by one, for their tests and their benchmark; nothing else calls them from Python.
//
// A matrix is a view (rows, columns) of an array whose rows begin at multiples of 64 bytes and are zero behind the last
// column; what kernels.h calls a vector of columns is a matrix of one row. Everything is updated in place.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <cstdint>
#include <string>

#include "kernels_module.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace moreish;

namespace {

using View = nb::ndarray<float, nb::ndim<2>, nb::device::cpu>;
using Numbers = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Indices = nb::ndarray<int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void expect(bool holds, const char* what) {
    if (!holds) throw nb::value_error(what);
}

// Rows that vectors can be loaded from; no data for None.
struct Rows {
    void expect_shape(ptrdiff_t rows, ptrdiff_t columns) const {
        expect(M == rows && N == columns, "the shapes do not fit each other");
    }

    float* data = nullptr;
    ptrdiff_t ld = 0, M = 0, N = 0;
};

}  // namespace

// Only views of such rows are taken.
template <>
struct nanobind::detail::type_caster<Rows> {
    NB_TYPE_CASTER(Rows, const_name("rows"))

    bool from_python(handle source, uint8_t flags, cleanup_list* cleanup) noexcept {
        if (source.is_none()) return true;
        make_caster<View> caster;
        if (!caster.from_python(source, flags & ~static_cast<uint8_t>(cast_flags::convert), cleanup)) return false;
        const View& view = caster.value;
        value = {view.data(), view.stride(0), static_cast<ptrdiff_t>(view.shape(0)), static_cast<ptrdiff_t>(view.shape(1))};
        return reinterpret_cast<uintptr_t>(value.data) % 64 == 0 && (value.N == 1 || view.stride(1) == 1) &&
               (value.M == 1 || (value.ld % 16 == 0 && value.ld >= value.N));
    }
};

namespace {

// The left factor may also be the transpose of such rows.
Left left_of(const View& a) {
    if (a.stride(1) == 1) return {a.data(), a.stride(0), 1};
    expect(a.stride(0) == 1 || a.shape(0) == 1, "one stride of the left factor must be 1");
    return {a.data(), 1, a.stride(1)};
}

Matrix matrix_of(const Rows& value, const Rows& gradient, const Rows& first, const Rows& second, bool decays) {
    return {value.data, gradient.data, first.data, second.data, value.ld, decays};
}

Rule rule_of(const std::string& kind, float rate, float keep, float momentum, float beta1, float beta2,
             float mean_scale, float square_scale) {
    const RuleKind rule = kind == "sgd" ? RuleKind::sgd : kind == "momentum" ? RuleKind::momentum : RuleKind::adamw;
    return {rule, rate, keep, momentum, beta1, beta2, mean_scale, square_scale};
}

// The kernels of one instruction set, each call carried out `repeat` times, so that a benchmark can time short ones.
class Level {
public:
    Level(const std::string& name, int repeat) : kernels_(find_level(name.c_str())), repeat_(repeat) {
        expect(kernels_, "this processor has no such instruction set");
    }

    void product(View a, Rows b, Rows out, Rows begin) {
        const ptrdiff_t M = a.shape(0), K = a.shape(1);
        b.expect_shape(K, b.N), out.expect_shape(M, b.N);
        const Begin from{begin.data, begin.M == 1 ? 0 : begin.ld};
        repeat([&] { kernels_->product(left_of(a), b.data, b.ld, from, out.data, out.ld, M, K, b.N); });
    }
    void product_times(View a, Rows b, Rows out) {
        const ptrdiff_t M = a.shape(0), K = a.shape(1);
        b.expect_shape(K, b.N), out.expect_shape(M, b.N);
        repeat([&] { kernels_->product_times(left_of(a), b.data, b.ld, out.data, out.ld, M, K, b.N); });
    }
    void product_transposed(Rows a, Rows b, Rows out) {
        b.expect_shape(b.M, a.N), out.expect_shape(a.M, b.M);
        repeat([&] { kernels_->product_transposed(a.data, a.ld, b.data, b.ld, out.data, out.ld, a.M, a.N, b.M); });
    }
    void product_update(View a, Rows b, Rows value, Rows first, Rows second, const Rule& rule, bool decays) {
        const ptrdiff_t M = a.shape(0), K = a.shape(1);
        b.expect_shape(K, b.N), value.expect_shape(M, b.N);
        const Matrix parameter = matrix_of(value, value, first, second, decays);
        repeat([&] {
            kernels_->product_update(left_of(a), b.data, b.ld, {nullptr, 0}, parameter, 0, rule, M, K, b.N);
        });
    }
    void update(Rows value, Rows gradient, Rows first, Rows second, const Rule& rule, bool decays, float scale) {
        gradient.expect_shape(value.M, value.N);
        const Matrix parameter = matrix_of(value, gradient, first, second, decays);
        repeat([&] { kernels_->update(parameter, rule, scale, value.M, value.N); });
    }
    double square_sum(Rows x) {
        double sum = 0;
        repeat([&] { sum = kernels_->square_sum(x.data, x.ld, x.M, x.N); });
        return sum;
    }
    void transpose(Rows x, Rows out) {
        out.expect_shape(x.N, x.M);
        repeat([&] { kernels_->transpose(x.data, x.ld, out.data, out.ld, x.M, x.N); });
    }
    void gather_sum(Rows table, Indices index, Rows bias, Rows out) {
        out.expect_shape(out.M, table.N);
        const ptrdiff_t terms = index.shape(0) / out.M;
        for (size_t i = 0; i < index.shape(0); ++i) expect(index(i) >= 0 && index(i) < table.M, "no such row");
        repeat([&] {
            kernels_->gather_sum(table.data, table.ld, index.data(), terms, bias.data, out.data, out.ld, out.M, out.N);
        });
    }
    void scatter_sum(Rows x, Indices index, Rows out) {
        out.expect_shape(out.M, x.N);
        const ptrdiff_t terms = index.shape(0) / x.M;
        for (size_t i = 0; i < index.shape(0); ++i) expect(index(i) >= ~out.M && index(i) < out.M, "no such row");
        repeat([&] {
            kernels_->scatter_sum(x.data, x.ld, index.data(), terms, out.data, out.ld, x.M, x.N);
        });
    }
    void column_sums(Rows x, Rows out) {
        out.expect_shape(1, x.N);
        repeat([&] { kernels_->column_sums(x.data, x.ld, out.data, x.M, x.N); });
    }
    void activate(const std::string& name, Rows x, Rows slope, uint32_t key, uint32_t threshold, float scale) {
        slope.expect_shape(x.M, x.N);
        expect(slope.ld == x.ld, "the slope must be laid out as x is");
        const Activation kind = name == "tanh"   ? Activation::tanh
                                : name == "relu" ? Activation::relu
                                : name == "gelu" ? Activation::gelu
                                                 : Activation::none;
        repeat([&] { kernels_->activate(kind, {key, threshold, scale}, x.data, slope.data, x.ld, x.M, x.N); });
    }
    void batch_norm(Rows x, Rows xhat, Numbers count, Rows gamma, Rows beta, Rows mean, Rows variance, Rows rstd,
                    float n, float correction, float epsilon) {
        const BatchNorm norm = norm_of(x, xhat, count, gamma, beta, mean, variance, rstd, n, correction, epsilon);
        repeat([&] { kernels_->batch_norm(norm, count.data(), x.data, xhat.data, x.ld, x.M, x.N); });
    }
    void batch_norm_backward(Rows dx, Rows xhat, Numbers count, Rows gamma, Rows rstd, Rows dgamma, Rows dbeta,
                             float n, float correction) {
        dgamma.expect_shape(1, dx.N), dbeta.expect_shape(1, dx.N);
        const BatchNorm norm = norm_of(dx, xhat, count, gamma, gamma, rstd, rstd, rstd, n, correction, 0);
        repeat([&] {
            kernels_->batch_norm_backward(norm, count.data(), dx.data, xhat.data, dgamma.data, dbeta.data, dx.ld, dx.M,
                                         dx.N);
        });
    }
    void layer_norm(Rows x, Rows xhat, Numbers rstd, Rows gamma, Rows beta, float epsilon) {
        gamma.expect_shape(1, x.N), beta.expect_shape(1, x.N), expect_alike(x, xhat, rstd);
        repeat([&] {
            kernels_->layer_norm(gamma.data, beta.data, epsilon, x.data, xhat.data, rstd.data(), x.ld, x.M, x.N);
        });
    }
    void layer_norm_backward(Rows dx, Rows xhat, Numbers rstd, Rows gamma, Rows dgamma, Rows dbeta) {
        gamma.expect_shape(1, dx.N), dgamma.expect_shape(1, dx.N), dbeta.expect_shape(1, dx.N);
        expect_alike(dx, xhat, rstd);
        repeat([&] {
            kernels_->layer_norm_backward(gamma.data, rstd.data(), dx.data, xhat.data, dgamma.data, dbeta.data, dx.ld,
                                         dx.M, dx.N);
        });
    }
    void softmax(Rows x, Numbers log_sum, Numbers count, float n) {
        expect_alike(x, x, log_sum), expect_alike(x, x, count);
        repeat([&] { kernels_->softmax(x.data, log_sum.data(), count.data(), n, x.ld, x.M, x.N); });
    }
    nb::tuple moments(Rows x, double origin) {
        double sums[2];
        repeat([&] { kernels_->moments(x.data, x.ld, origin, sums, x.M, x.N); });
        return nb::make_tuple(sums[0], sums[1]);
    }

private:
    template <class F>
    void repeat(const F& f) const {
        for (int i = 0; i < repeat_; ++i) f();
    }
    static void expect_alike(const Rows& x, const Rows& xhat, const Numbers& of_rows) {
        xhat.expect_shape(x.M, x.N);
        expect(xhat.ld == x.ld && static_cast<ptrdiff_t>(of_rows.shape(0)) == x.M, "the rows do not fit each other");
    }
    static BatchNorm norm_of(const Rows& x, const Rows& xhat, const Numbers& count, const Rows& gamma,
                             const Rows& beta, const Rows& mean, const Rows& variance, const Rows& rstd, float n,
                             float correction, float epsilon) {
        expect_alike(x, xhat, count);
        for (const Rows* row : {&gamma, &beta, &mean, &variance, &rstd}) row->expect_shape(1, x.N);
        return {gamma.data, beta.data, mean.data, variance.data, rstd.data, n, correction, epsilon};
    }

    const Kernels* kernels_;
    int repeat_;
};

}  // namespace

void bind_kernels(nb::module_ m) {
    nb::class_<Rule>(m, "Rule").def("__init__", [](Rule* rule, const std::string& kind, float rate, float keep,
                                                   float momentum, float beta1, float beta2, float mean_scale,
                                                   float square_scale) {
        new (rule) Rule(rule_of(kind, rate, keep, momentum, beta1, beta2, mean_scale, square_scale));
    }, "kind"_a, "rate"_a, "keep"_a = 1, "momentum"_a = 0, "beta1"_a = 0, "beta2"_a = 0, "mean_scale"_a = 1,
       "square_scale"_a = 1);
    nb::class_<Level>(m, "Kernels")
        .def(nb::init<const std::string&, int>(), "level"_a, "repeat"_a = 1)
        .def("product", &Level::product, "a"_a.noconvert(), "b"_a, "out"_a, "begin"_a.none() = nb::none())
        .def("product_times", &Level::product_times, "a"_a.noconvert(), "b"_a, "out"_a)
        .def("product_transposed", &Level::product_transposed, "a"_a, "b"_a, "out"_a)
        .def("product_update", &Level::product_update, "a"_a.noconvert(), "b"_a, "value"_a, "first"_a.none(),
             "second"_a.none(), "rule"_a, "decays"_a = false)
        .def("update", &Level::update, "value"_a, "gradient"_a, "first"_a.none(), "second"_a.none(), "rule"_a,
             "decays"_a = false, "scale"_a = 1)
        .def("square_sum", &Level::square_sum, "x"_a)
        .def("transpose", &Level::transpose, "x"_a, "out"_a)
        .def("gather_sum", &Level::gather_sum, "table"_a, "index"_a.noconvert(), "bias"_a.none(), "out"_a)
        .def("scatter_sum", &Level::scatter_sum, "x"_a, "index"_a.noconvert(), "out"_a)
        .def("column_sums", &Level::column_sums, "x"_a, "out"_a)
        .def("activate", &Level::activate, "kind"_a, "x"_a, "slope"_a, "key"_a = 0, "threshold"_a = 0, "scale"_a = 1)
        .def("batch_norm", &Level::batch_norm, "x"_a, "xhat"_a, "count"_a.noconvert(), "gamma"_a, "beta"_a, "mean"_a,
             "variance"_a, "rstd"_a, "n"_a, "correction"_a, "epsilon"_a)
        .def("batch_norm_backward", &Level::batch_norm_backward, "dx"_a, "xhat"_a, "count"_a.noconvert(), "gamma"_a,
             "rstd"_a, "dgamma"_a, "dbeta"_a, "n"_a, "correction"_a)
        .def("layer_norm", &Level::layer_norm, "x"_a, "xhat"_a, "rstd"_a.noconvert(), "gamma"_a, "beta"_a, "epsilon"_a)
        .def("layer_norm_backward", &Level::layer_norm_backward, "dx"_a, "xhat"_a, "rstd"_a.noconvert(), "gamma"_a,
             "dgamma"_a, "dbeta"_a)
        .def("softmax", &Level::softmax, "x"_a, "log_sum"_a.noconvert(), "count"_a.noconvert(), "n"_a)
        .def("moments", &Level::moments, "x"_a, "origin"_a);
}
