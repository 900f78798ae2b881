// Optimizers: golden sequences, state, and what step() refuses.
#include <stet/train/adam.hpp>
#include <stet/train/sgd.hpp>

#include "support/golden.hpp"
#include "support/tensors.hpp"

#include <stet/core/random.hpp>

#include <variant>

namespace optimizer_test {

using namespace stet;
using Catch::Matchers::ContainsSubstring;
using stet_test::normal;

namespace {

template <class O>
O with_betas(const GoldenParams& p) {
  return {.lr = p.at("lr"),
          .beta1 = p.at("betas")[0],
          .beta2 = p.at("betas")[1],
          .eps = p.at("eps"),
          .weight_decay = p.at("weight_decay")};
}

// Calls use(rule) with the rule that a golden case is about.
template <class F>
void with_rule(const GoldenCase& c, F&& use) {
  const auto& p = c.params;
  if (c.name.starts_with("optimizer_sgd")) {
    use(Sgd{.lr = p.at("lr"),
            .momentum = p.at("momentum"),
            .dampening = p.at("dampening"),
            .nesterov = p.at("nesterov"),
            .weight_decay = p.at("weight_decay")});
  } else if (c.name.starts_with("optimizer_adamw")) {
    use(with_betas<AdamW>(p));
  } else {
    use(with_betas<Adam>(p));
  }
}

template <class T>
bool same_bits(const Tensor<T>& a, const Tensor<T>& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(T)) == 0;
}

// Two tensors that need several blocks and tails, with gradients.
struct Fixture {
  std::vector<Parameter> parameters;
  std::vector<ParameterRef> refs;
  Fixture() {
    parameters.push_back({normal({3, 7001}, 1)});
    parameters.push_back({normal({17}, 2)});
    refs = {{&parameters[0], "weight"}, {&parameters[1], "bias", false, 0.5}};
  }
  void set_gradients(std::uint64_t seed) {
    for (auto& p : parameters) p.gradient = normal(p.value.shape(), seed++);
  }
};

}  // namespace

TEST_CASE("optimizers follow PyTorch in double precision", "[train]") {
  int cases = 0;
  for (const auto& c : load_golden("ops")) {
    if (!c.name.starts_with("optimizer_")) continue;
    ++cases;
    CAPTURE(c.name);
    auto x = c.inputs("initial").as<double>();
    const auto gradients = c.inputs("gradients").as<double>();
    std::vector<double> values;
    with_rule(c, [&](const auto& rule) {
      std::array<std::vector<double>, 2> state{std::vector<double>(x.size()), std::vector<double>(x.size())};
      const std::array<std::span<double>, 2> slots{state[0], state[1]};
      for (std::size_t t = 0; t * x.size() < gradients.size(); ++t) {
        rule.update({rule.lr, static_cast<std::int64_t>(t) + 1, true}, std::span(x),
                    std::span(gradients).subspan(t * x.size(), x.size()), slots);
        values.insert(values.end(), x.begin(), x.end());
      }
    });
    check_golden(c, "values", values);
  }
  CHECK(cases == 8);
}

TEST_CASE("optimizers follow PyTorch in single precision, through the type-erased state", "[train]") {
  for (const auto& c : load_golden("ops")) {
    if (!c.name.starts_with("optimizer_")) continue;
    CAPTURE(c.name);
    const auto initial = c.inputs("initial").as<float>();
    const auto gradients = c.inputs("gradients").as<float>();
    const auto n = static_cast<std::int64_t>(initial.size());
    Parameter p{Tensor<float>({n}, initial)};
    const std::vector<ParameterRef> refs{{&p, "p"}};
    std::vector<float> values;
    with_rule(c, [&](const auto& rule) {
      OptimizerState state(rule, refs);
      for (std::size_t t = 0; t < gradients.size(); t += initial.size()) {
        p.gradient = Tensor<float>({n}, std::span(gradients).subspan(t, initial.size()));
        state.step(refs);
        values.insert(values.end(), p.value.span().begin(), p.value.span().end());
      }
    });
    check_golden(c, "values_f32", values);
  }
}

TEST_CASE("an update does not depend on the number of threads", "[train]") {
  for (const AnyOptimizer& rule : {AnyOptimizer(Adam{}), AnyOptimizer(Sgd{.momentum = 0.9}), AnyOptimizer(AdamW{})}) {
    std::vector<Tensor<float>> results;
    for (const int n : {1, 2, 5}) {
      set_threads(n);
      Fixture f;
      OptimizerState state(rule, f.refs);
      for (std::uint64_t t = 0; t < 3; ++t) {
        f.set_gradients(10 * t);
        state.step(f.refs, 0.5);
      }
      results.push_back(f.parameters[0].value);
    }
    set_threads(0);
    CHECK(same_bits(results[0], results[1]));
    CHECK(same_bits(results[0], results[2]));
  }
}

TEST_CASE("a saved and restored state continues with the same bits", "[train]") {
  for (const AnyOptimizer& rule :
       {AnyOptimizer(Adam{}), AnyOptimizer(Sgd{.momentum = 0.9, .dampening = 0.3}), AnyOptimizer(AdamW{})}) {
    CAPTURE(rule.name());
    Fixture a;
    OptimizerState first(rule, a.refs);
    a.set_gradients(1);
    first.step(a.refs);
    using Saved = std::variant<Tensor<float>, Tensor<std::int64_t>>;
    std::map<std::string, Saved> saved;
    first.fields([&](const std::string& name, const auto& field) { saved.emplace(name, field); });
    CHECK(saved.count("count") == 1);

    Fixture b;
    b.parameters = a.parameters;
    b.refs[0].parameter = &b.parameters[0];
    b.refs[1].parameter = &b.parameters[1];
    OptimizerState second(rule, b.refs);
    second.fields([&](const std::string& name, auto& field) {
      field = std::get<std::remove_cvref_t<decltype(field)>>(saved.at(name));
    });
    a.set_gradients(2);
    b.set_gradients(2);
    first.step(a.refs);
    second.step(b.refs);
    for (std::size_t i = 0; i < 2; ++i) CHECK(same_bits(a.parameters[i].value, b.parameters[i].value));
  }
}

TEST_CASE("parameters without decay are not shrunk, and a learning-rate factor counts", "[train]") {
  for (const AnyOptimizer& rule :
       {AnyOptimizer(AdamW{.lr = 0.1, .weight_decay = 0.5}), AnyOptimizer(Sgd{.lr = 0.1, .weight_decay = 0.5})}) {
    Parameter with{Tensor<float>({2}, {1, -2})}, without = with, slow = with;
    const std::vector<ParameterRef> refs{{&with, "with"}, {&without, "without", false}, {&slow, "slow", true, 0.1}};
    OptimizerState state(rule, refs);
    for (const auto& r : refs) r.parameter->gradient = Tensor<float>::zeros({2});
    state.step(refs);
    CHECK(with.value[1] == Approx(-2 * 0.95));
    CHECK(without.value[1] == -2.0f);
    CHECK(slow.value[1] == Approx(-2 * 0.995));
  }
}

TEST_CASE("a parameter without gradient keeps its value, its buffers and its count", "[train]") {
  Fixture f;
  const auto before = f.parameters;
  OptimizerState state(Adam{.weight_decay = 1}, f.refs);
  f.parameters[1].gradient = normal({17}, 9);
  state.step(f.refs);
  CHECK(same_bits(f.parameters[0].value, before[0].value));
  CHECK_FALSE(same_bits(f.parameters[1].value, before[1].value));
  state.fields([](const std::string& name, const auto& field) {
    if (name == "count") {
      CHECK(field[0] == 0);
      CHECK(field[1] == 1);
    }
  });
  clear_gradients(f.refs);
  CHECK(f.parameters[1].gradient.empty());
}

TEST_CASE("an update leaves copies of a parameter's value alone", "[train]") {
  Fixture f;
  const Tensor<float> kept = f.parameters[1].value;
  const float first = kept[0];
  OptimizerState state(Sgd{.lr = 1}, f.refs);
  f.set_gradients(3);
  state.step(f.refs);
  CHECK(kept[0] == first);
  CHECK(f.parameters[1].value[0] != first);
}

TEST_CASE("steps in the steady state take no memory from the system", "[train]") {
  Fixture f;
  OptimizerState state(AdamW{}, f.refs);
  f.set_gradients(1);
  state.step(f.refs);
  const auto before = MemoryPool::instance().statistics().system_allocations;
  for (int i = 0; i < 3; ++i) state.step(f.refs);
  CHECK(MemoryPool::instance().statistics().system_allocations == before);
}

namespace {
// A rule of a user: the sign of the gradient.
struct SignDescent {
  double lr = 0.1;
  const char* name() const { return "sign"; }
  std::vector<const char*> slots() const { return {}; }
  void check() const {}
  void update(const UpdateStep& step, std::span<float> x, std::span<const float> dx,
              std::span<const std::span<float>>) const {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= static_cast<float>(step.lr) * (dx[i] > 0 ? 1.0f : -1.0f);
  }
};
struct ManySlots : SignDescent {
  std::vector<const char*> slots() const { return {"a", "b", "c", "d", "e"}; }
};
}  // namespace

TEST_CASE("a user's rule works without registration", "[train]") {
  Fixture f;
  const float before = f.parameters[1].value[0];
  OptimizerState state(SignDescent{}, f.refs);
  f.set_gradients(1);
  state.step(f.refs);
  CHECK(std::abs(f.parameters[1].value[0] - before) == Approx(0.05));  // lr_factor 0.5
}

TEST_CASE("optimizers refuse bad options and parameters", "[train]") {
  CHECK_THROWS_WITH(AnyOptimizer(Adam{.beta1 = 1.0}), ContainsSubstring("beta1 1"));
  CHECK_THROWS_WITH(AnyOptimizer(AdamW{.lr = -1}), ContainsSubstring("AdamW: lr -1"));
  CHECK_THROWS_WITH(AnyOptimizer(Adam{.eps = std::nan("")}), ContainsSubstring("eps nan"));
  CHECK_THROWS_WITH(AnyOptimizer(Sgd{.nesterov = true}), ContainsSubstring("nesterov needs momentum"));
  CHECK_THROWS_WITH(AnyOptimizer(Sgd{.lr = -1}), ContainsSubstring("lr -1"));
  Fixture f;
  CHECK_THROWS_WITH(OptimizerState(ManySlots{}, f.refs), ContainsSubstring("5 buffers"));
  const std::vector<ParameterRef> nothing{{nullptr, "w"}};
  CHECK_THROWS_WITH(OptimizerState(Sgd{}, nothing), ContainsSubstring("(w) refers to nothing"));
  OptimizerState state(Sgd{}, f.refs);
  CHECK_THROWS_WITH(state.step(std::span(f.refs).first(1)), ContainsSubstring("made for 2 parameters, step got 1"));
  f.parameters[0].gradient = Tensor<float>::zeros({5});
  CHECK_THROWS_WITH(state.step(f.refs), ContainsSubstring("weight has shape [3,7001], its gradient [5]"));
  f.parameters[0].gradient = Tensor<float>();
  f.parameters[1].value = Tensor<float>::zeros({4});
  CHECK_THROWS_WITH(state.step(f.refs), ContainsSubstring("bias had shape [17] at first, now [4]"));
}

}  // namespace optimizer_test
