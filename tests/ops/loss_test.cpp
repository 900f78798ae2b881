// Softmax, losses and dropout.
#include <stet/ops/distillation.hpp>
#include <stet/ops/dropout.hpp>
#include <stet/ops/loss.hpp>
#include <stet/ops/softmax.hpp>
#include <stet/testing/gradient_check.hpp>

#include "support/tensors.hpp"
#include "support/catch.hpp"

#include <limits>

namespace loss_test {

using namespace stet;
using stet::testing::check_gradient;
using Catch::Matchers::ContainsSubstring;
using stet_test::equal;
using stet_test::uniform;

TEST_CASE("the gradients of softmax and losses are those of finite differences", "[ops]") {
  const Tensor<std::int32_t> labels({4}, {2, 0, 4, 2});
  const auto check = [](const char* name, const auto& report) {
    INFO(name << "\n" << report.str());
    CHECK(report.ok());
  };
  check("softmax", check_gradient([](auto x) { return softmax(x); }, {uniform({2, 3, 5}, 1, -3, 3)}));
  check("log_softmax", check_gradient([](auto x) { return log_softmax(x); }, {uniform({2, 3, 5}, 1, -3, 3)}));
  for (const double smoothing : {0.0, 0.1, 1.0}) {
    check("cross-entropy",
          check_gradient([&](auto x) { return softmax_cross_entropy(x, labels, {.label_smoothing = smoothing}); },
                         {uniform({4, 5}, 1, -3, 3)}));
  }
  check("cross-entropy with class weights",
        check_gradient([&](auto x) { return softmax_cross_entropy(x, labels, {.label_smoothing = 0.1, .class_weights = {1, 0, 0.5, 2, 4}}); },
                       {uniform({4, 5}, 1, -3, 3)}));
  const Tensor<float> weights({4}, {0.5f, 0.0f, 3.0f, 1.25f}), three({3}, {2.0f, 0.0f, 0.25f});
  check("cross-entropy with weights of samples and classes",
        check_gradient([&](auto x) { return softmax_cross_entropy(x, labels, {.label_smoothing = 0.1, .class_weights = {1, 0.25, 0.5, 2, 4}, .sample_weights = weights}); },
                       {uniform({4, 5}, 1, -3, 3)}));
  check("distillation with weights of samples",
        check_gradient([&](auto x) { return distillation_loss(x, uniform({4, 5}, 7, -2, 2), labels, {.temperature = 2, .weight = 0.4}, weights); },
                       {uniform({4, 5}, 1, -3, 3)}));
  check("mse with weights of samples", check_gradient([&](auto y) { return mse(y, uniform({3, 5}, 2), three); }, {uniform({3, 5}, 1)}));
  check("huber with weights of samples", check_gradient([&](auto y) { return huber(y, uniform({3, 5}, 2), 0.4, three); }, {uniform({3, 5}, 1)}));
  check("binary cross-entropy with weights of samples",
        check_gradient([&](auto y) { return binary_cross_entropy(y, uniform({3, 5}, 2, 0, 1), three); }, {uniform({3, 5}, 1)}));
  const Tensor<double> target = uniform({3, 5}, 2);
  check("huber", check_gradient([&](auto y) { return huber(y, target, 0.4); }, {uniform({3, 5}, 1)}));
  Tensor<double> share = target;
  for (double& t : share.edit()) t = (t + 1) / 2;
  check("binary cross-entropy", check_gradient([&](auto y) { return binary_cross_entropy(y, share); }, {uniform({3, 5}, 1, -4, 4)}));
  check("mse", check_gradient([](auto y, auto t) { return mse(y, t); }, {uniform({3, 5}, 1), uniform({3, 5}, 2)}));
  check("dropout", check_gradient(
                       [](auto x) {
                         Rng rng(5);
                         return dropout(x, 0.4, rng);
                       },
                       {uniform({6, 7}, 1)}));
}

TEST_CASE("softmax does not overflow and does not change when a constant is added", "[ops]") {
  const Tensor<float> x({2, 3}, {1000, 1001, 999, -2000, -2000, -2000});
  const Tensor<float> y = softmax_forward(x);
  CHECK(y[3] == Approx(1.0f / 3));
  CHECK(y[0] + y[1] + y[2] == Approx(1));
  CHECK(
      equal(softmax_forward(Tensor<float>({1, 3}, {0, 1, -1})).reshaped({3}), Tensor<float>({3}, {y[0], y[1], y[2]})));
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(softmax_forward(Tensor<float>({1, 2}, {-inf, 0}))[0] == 0);
}

TEST_CASE("NaN in a row makes the row NaN, and only it", "[ops]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor<float> y = log_softmax_forward(Tensor<float>({2, 2}, {1, nan, 3, 4}));
  CHECK(std::isnan(y[0]));
  CHECK(std::isnan(y[1]));
  CHECK(std::isfinite(y[2]));
}

TEST_CASE("the loss is the mean over the batch and scales with the incoming gradient", "[ops]") {
  Tape tape;
  const auto logits = tape.variable(Tensor<double>({2, 2}, {0, 0, 0, 0}));
  const auto loss = softmax_cross_entropy(logits, Tensor<std::int32_t>({2}, {0, 1}));
  CHECK(loss.value()[0] == Approx(std::log(2.0)));
  tape.backward(loss, Tensor<double>({}, {3}));
  CHECK(equal(tape.gradient(logits), Tensor<double>({2, 2}, {-0.75, 0.75, 0.75, -0.75})));
}

TEST_CASE("class weights count rows, and equal ones change nothing", "[ops]") {
  Tape tape;
  const auto logits = tape.constant(Tensor<double>({3, 2}, {1, 0, 0, 2, -1, 1}));
  const Tensor<std::int32_t> labels({3}, {0, 1, 0});
  const auto loss = [&](std::vector<double> weights) {
    return softmax_cross_entropy(logits, labels, {.class_weights = std::move(weights)}).value()[0];
  };
  const double a = std::log1p(std::exp(-1.0)), b = std::log1p(std::exp(-2.0)), c = std::log1p(std::exp(2.0));  // rows
  CHECK(loss({}) == Approx((a + b + c) / 3));
  CHECK(loss({2, 2}) == Approx(loss({})));
  CHECK(loss({1, 3}) == Approx((a + 3 * b + c) / 5));
  CHECK(loss({0, 1}) == Approx(b));
  CHECK_THROWS_WITH(loss({1}), ContainsSubstring("1 class weights for 2 classes"));
  CHECK_THROWS_WITH(loss({1, -1}), ContainsSubstring("class weight -1 must be finite and not negative"));
  CHECK_THROWS_WITH(softmax_cross_entropy(logits, Tensor<std::int32_t>::zeros({3}), {.class_weights = {0, 1}}),
                    ContainsSubstring("all 3 rows are of classes of weight 0"));
}

TEST_CASE("Huber is squared inside delta and linear outside, binary cross-entropy that of two classes", "[ops]") {
  Tape tape;
  const auto y = tape.constant(Tensor<double>({4}, {0.5, -0.5, 3, -10}));
  CHECK(huber(y, Tensor<double>::zeros({4}), 1.0).value()[0] == Approx((0.125 + 0.125 + 2.5 + 9.5) / 4));
  CHECK_THROWS_WITH(huber(y, Tensor<double>::zeros({4}), 0.0), ContainsSubstring("delta 0 must be positive"));
  CHECK_THROWS_WITH(huber(y, Tensor<double>::zeros({3})), ContainsSubstring("shapes [4] and [3] differ"));
  // A logit y of yes is a softmax over {0, y}.
  const auto two = tape.constant(Tensor<double>({4, 2}, {0, 0.5, 0, -0.5, 0, 3, 0, -10}));
  CHECK(binary_cross_entropy(y, Tensor<double>({4}, {1, 0, 0, 1})).value()[0] ==
        Approx(softmax_cross_entropy(two, Tensor<std::int32_t>({4}, {1, 0, 0, 1})).value()[0]));
  const auto far = tape.constant(Tensor<double>({2}, {1000, -1000}));
  CHECK(binary_cross_entropy(far, Tensor<double>({2}, {1, 0})).value()[0] == 0);
  CHECK(binary_cross_entropy(far, Tensor<double>({2}, {0, 1})).value()[0] == 1000);
  CHECK_THROWS_WITH(binary_cross_entropy(y, Tensor<double>({4}, {1, 0, 2, 1})), ContainsSubstring("target 2 at 2 is not in 0..1"));
}

TEST_CASE("dropout keeps the mean, draws once per element and repeats with the seed", "[ops]") {
  Tape tape;
  const auto x = tape.constant(Tensor<float>::filled({20000}, 1));
  Rng rng(1), again(1), counted(1);
  const auto y = dropout(x, 0.25, rng);
  double sum = 0;
  int others = 0;
  for (const float v : y.value().span()) {
    others += v != 0 && v != static_cast<float>(1 / 0.75) ? 1 : 0;
    sum += static_cast<double>(v);
  }
  CHECK(others == 0);
  CHECK(sum / 20000 == Approx(1).margin(0.02));
  CHECK(equal(dropout(x, 0.25, again).value(), y.value()));
  for (int i = 0; i < 20000; ++i) counted.next();
  CHECK(rng.state() == counted.state());
  CHECK(equal(dropout(x, 0, rng).value(), x.value()));
}

TEST_CASE("distillation mixes the labels with the teacher, with the gradient of its formula", "[ops]") {
  const Tensor<std::int32_t> labels({4}, {2, 0, 4, 2});
  const Tensor<double> teacher = uniform({4, 5}, 7, -3, 3);
  const Tensor<double> student = uniform({4, 5}, 1, -3, 3);
  for (const DistillationOptions options : {DistillationOptions{}, DistillationOptions{4.0, 0.9}, DistillationOptions{0.5, 1.0}}) {
    const auto report =
        check_gradient([&](auto x) { return distillation_loss(x, teacher, labels, options); }, {student});
    INFO(report.str());
    CHECK(report.ok());
  }
  Tape tape;
  const auto x = tape.variable(student);
  // Without the teacher it is cross-entropy; a student equal to its teacher has nothing to learn from it.
  CHECK(distillation_loss(x, teacher, labels, {1.0, 0.0}).value()[0] == Approx(softmax_cross_entropy(x, labels).value()[0]));
  const auto same = distillation_loss(x, student, labels, {2.0, 1.0});
  CHECK(same.value()[0] == Approx(0).margin(1e-12));
  tape.backward(same);
  for (const double d : tape.gradient(x).span()) CHECK(d == Approx(0).margin(1e-12));
  CHECK_THROWS_WITH(distillation_loss(x, uniform({4, 6}, 1), labels), ContainsSubstring("the teacher's [4,6]"));
  CHECK_THROWS_WITH(distillation_loss(x, teacher, labels, {0.0, 0.5}), ContainsSubstring("temperature is 0"));
  CHECK_THROWS_WITH(distillation_loss(x, teacher, labels, {1.0, 1.5}), ContainsSubstring("weight is 1.5"));
}

TEST_CASE("a weight of two is the sample twice, and a weight of none is no sample", "[ops]") {
  const Tensor<double> x = uniform({3, 4}, 1, -3, 3), teacher = uniform({3, 4}, 2, -3, 3), target = uniform({3, 4}, 3, 0, 1);
  const Tensor<float> weights({3}, {2, 0, 1});
  const Tensor<std::int32_t> labels({3}, {1, 3, 2}), repeated_labels({3}, {1, 1, 2});
  const auto repeated = [](const Tensor<double>& of) {
    Tensor<double> r = of;
    for (std::int64_t i = 0; i < 4; ++i) r.edit()[static_cast<std::size_t>(4 + i)] = of[i];
    return r;
  };
  Tape tape;
  const auto weighed = tape.constant(x), twice = tape.constant(repeated(x));
  const auto same = [](const char* what, const Var<Tensor<double>>& a, const Var<Tensor<double>>& b) {
    INFO(what);
    CHECK(a.value()[0] == Approx(b.value()[0]).epsilon(1e-12));
  };
  same("cross-entropy", softmax_cross_entropy(weighed, labels, {.sample_weights = weights}), softmax_cross_entropy(twice, repeated_labels));
  same("distillation", distillation_loss(weighed, teacher, labels, {.temperature = 3}, weights),
       distillation_loss(twice, repeated(teacher), repeated_labels, {.temperature = 3}));
  same("mse", mse(weighed, target, weights), mse(twice, tape.constant(repeated(target))));
  same("huber", huber(weighed, target, 0.5, weights), huber(twice, repeated(target), 0.5));
  same("binary cross-entropy", binary_cross_entropy(weighed, target, weights), binary_cross_entropy(twice, repeated(target)));

  CHECK_THROWS_WITH(mse(weighed, target, Tensor<float>({2}, {1, 1})), ContainsSubstring("sample weights must be [3], got [2]"));
  CHECK_THROWS_WITH(huber(weighed, target, 1, Tensor<float>({3}, {1, -1, 1})), ContainsSubstring("weight -1 of sample 1"));
  CHECK_THROWS_WITH(binary_cross_entropy(weighed, target, Tensor<float>({3}, {0, 0, 0})), ContainsSubstring("all 3 samples have weight 0"));
  CHECK_THROWS_WITH(softmax_cross_entropy(weighed, labels, {.sample_weights = Tensor<float>({3}, {1, std::numeric_limits<float>::infinity(), 1})}),
                    ContainsSubstring("must be finite"));
}

}  // namespace loss_test
