// What the fragments of docs/ leave out: models, data, a loss. fragments.sh compiles it; nothing here is run.
#include "integrate_1.inc"

#include <stet/diagnose/diagnose.hpp>
#include <stet/diagnose/diagnose_input.hpp>
#include <stet/diagnose/html_precision.hpp>
#include <stet/diagnose/prove.hpp>
#include <stet/io/load_input_fingerprint.hpp>
#include <stet/io/load_onnx.hpp>
#include <stet/io/load_tflite.hpp>
#include <stet/passes/ada_round.hpp>
#include <stet/passes/mixed_precision.hpp>
#include <stet/passes/standard_passes.hpp>
#include <stet/qat/ewgs_estimator.hpp>
#include <stet/qat/learned_fake_quantize.hpp>
#include <stet/qat/lsq_range.hpp>
#include <stet/qat/oscillation.hpp>
#include <stet/quant/moving_average_observer.hpp>
#include <stet/quant/stochastic_rounding.hpp>
#include <stet/testing/laws.hpp>
#if __has_include(<mpi.h>)
#include <stet/mpi.hpp>
#endif

#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include <fmt/format.h>

using namespace stet;

namespace {

void scheme_laws() {
  using namespace stet::testing;
  using stet::testing::check_scheme_laws;
#include "custom_scheme_1.inc"
}

// The four test frameworks, as far as the page uses them.
struct Said {
  template <class T>
  const Said& operator<<(const T&) const {
    return *this;
  }
};
#define INFO(text) (void)(text)
#define CHECK(condition) (void)(condition)
#define EXPECT_TRUE(condition) (void)(condition), Said()
#define CHECK_MESSAGE(condition, text) (void)((condition) ? std::string() : (text))
struct Log4 : IntN {
  Log4() : IntN(4) {}
};
int in_a_test_framework() {
#include "custom_scheme_2.inc"
  return 0;
}

void estimators(Parameter& weights, Var<Tensor<float>> loss) {
#include "estimators_1.inc"
}
void oscillation(Parameter& weights, LsqRange range, std::span<const std::int8_t> codes, double progress) {
  struct {
    void step() {}
  } optimizer;
#include "estimators_2.inc"
}

void function_of_one_number(graph::Value y) {
#include "extending_1.inc"
}
void function_with_a_type(graph::Value y) {
#include "extending_2.inc"
}

void mixed_precision(const Model& model, const Dataset& train, const Dataset& validation) {
#include "low_bits_1.inc"
}

void rounding(const Model& model, const Recipe& recipe, const DatasetSplit& data) {
#include "rounding_1.inc"
}

#if __has_include(<mpi.h>)
void several_processes(Model& model, const Dataset& data) {
#include "scaling_1.inc"
}
#endif

void regression(Model& model, const Tensor<float>& x, const Tensor<float>& y, const Tensor<float>& x2,
                const Tensor<float>& y2) {
#include "training_1.inc"
}
void learning_rate(const Model& model, const Dataset& data, FitOptions options) {
#include "training_2.inc"
}
void parts_of_a_network(const Dataset& data) {
#include "training_3.inc"
}

void why(const Model& model, const Recipe& recipe, const QatModel& qat, const Model& control, const DatasetSplit& data,
         const Dataset& validation, const Question& question) {
#include "why_1.inc"
}
void input_of_a_device(const Dataset& images) {
#include "why_2.inc"
}
void fingerprints(const Dataset& images) {
#include "why_3.inc"
}

}  // namespace

int main() {}
