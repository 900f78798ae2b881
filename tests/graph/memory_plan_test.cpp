// The law of the memory plan: two values that are alive at the same time never share a byte.

#include <stet/graph/memory_plan.hpp>
#include <stet/model/quantize.hpp>

#include "support/catch.hpp"
#include "support/networks.hpp"

namespace memory_plan_test {

using namespace stet;
using namespace stet_test;

namespace {

void check_plan(const IntegerModel& m) {
  const MemoryPlan plan = plan_memory(m);
  REQUIRE(plan.offset.size() == m.values.size());
  const auto count = m.values.size();
  // Whether value v holds something that is still needed while node `step` runs, straight from the definition.
  const auto alive = [&](std::size_t v, std::size_t step) {
    std::size_t made = m.nodes.size();
    bool needed = false;
    for (std::size_t i = 0; i < m.nodes.size(); ++i) {
      if (m.nodes[i].output == static_cast<int>(v)) made = i;
      for (const int in : m.nodes[i].inputs) needed = needed || (in == static_cast<int>(v) && i >= step);
    }
    for (const int out : m.outputs) needed = needed || out == static_cast<int>(v);
    return made == step || (made < step && needed);
  };
  std::int64_t sum = 0, top = 0, most = 0;
  for (std::size_t v = 0; v < count; ++v) {
    const std::int64_t size = (m.values[v].shape.elements() + 63) / 64 * 64;
    CHECK(plan.offset[v] >= 0);
    CHECK(plan.offset[v] % 64 == 0);
    sum += size;
    top = std::max(top, plan.offset[v] + size);
  }
  CHECK(plan.bytes == top);
  CHECK(plan.bytes <= sum);
  for (std::size_t step = 0; step <= m.nodes.size(); ++step) {
    std::int64_t together = 0;
    for (std::size_t a = 0; a < count; ++a) {
      if (!alive(a, step)) continue;
      together += (m.values[a].shape.elements() + 63) / 64 * 64;
      for (std::size_t b = a + 1; b < count; ++b) {
        if (!alive(b, step)) continue;
        const bool apart = plan.offset[a] + m.values[a].shape.elements() <= plan.offset[b] ||
                           plan.offset[b] + m.values[b].shape.elements() <= plan.offset[a];
        if (!apart) FAIL_CHECK("values " << a << " and " << b << " overlap at node " << step);
      }
    }
    most = std::max(most, together);
  }
  CHECK(plan.bytes >= most);
}

// Nodes without operators: a plan sees only who reads what.
IntegerModel random_structure(std::uint64_t seed) {
  Rng rng(seed);
  IntegerModel m;
  const int count = draw(rng, 1, 25);
  for (int i = 0; i < count; ++i) {
    m.values.push_back({fmt::format("v{}", i), {draw(rng, 1, 400)}, {}});
    IntegerNode n{fmt::format("n{}", i), graph::op::Reshape{}, {}, i};
    for (int k = draw(rng, 0, 3); k > 0 && i > 0; --k) n.inputs.push_back(draw(rng, std::max(0, i - 6), i - 1));
    m.nodes.push_back(n);
  }
  m.outputs.push_back(count - 1);
  if (chance(rng, 0.3)) m.outputs.push_back(draw(rng, 0, count - 1));
  return m;
}

}  // namespace

TEST_CASE("no two living values overlap in the plan of any graph") {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    INFO("seed " << seed);
    check_plan(random_structure(seed));
  }
}

TEST_CASE("no two living values overlap in the plans of networks, and a chain needs two buffers") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    const Model model = random_model(seed);
    try {
      check_plan(quantize(model, recipes::int8(), random_dataset(input_shape(model), 8, classes_of(model), seed)));
    } catch (const Error&) {  // scales that no target bridges; see bit_exact_test
    }
  }
  IntegerModel chain;
  for (int i = 0; i < 10; ++i) {
    chain.values.push_back({"v", {640}, {}});
    chain.nodes.push_back({"n", graph::op::Reshape{}, i == 0 ? std::vector<int>{} : std::vector<int>{i - 1}, i});
  }
  chain.outputs = {9};
  CHECK(plan_memory(chain).bytes == 2 * 640);
}

}  // namespace memory_plan_test
