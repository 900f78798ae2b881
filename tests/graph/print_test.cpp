#include "support/catch.hpp"

#include <stet/graph/builder.hpp>
#include <stet/graph/print.hpp>

namespace print_test {

using namespace stet;

namespace {

Graph branching() {
  Graph g;
  auto x = g.input({28, 28, 1});
  x = relu(batch_norm(conv2d(x, {.filters = 16, .kernel = 3, .stride = 2, .bias = false})));
  auto y = depthwise_conv2d(x, {.kernel = {3, 5}, .dilation = 2});
  x = concat({x, y + x});
  x = average_pool(x, {.size = 3, .stride = 2, .padding = Padding::of(1, 1, 0, 0)});
  g.output(linear(flatten(x), {.units = 10}).named("logits"));
  return g;
}

}  // namespace

TEST_CASE("the table of a graph shows attributes, shapes, parameters and multiply-adds") {
  CHECK(
      table(branching()) ==
      R"(name                kind              attributes                   inputs                     output      parameters  multiply-adds
input_1             input                                                                     [28,28,1]            0              0
conv2d_1            conv2d            3x3 stride 2x2 same no bias  input_1                    [14,14,16]         144         28,224
batch_norm_1        batch_norm                                     conv2d_1                   [14,14,16]          32          3,136
relu_1              relu                                           batch_norm_1               [14,14,16]           0              0
depthwise_conv2d_1  depthwise_conv2d  3x5 dilation 2x2 same        relu_1                     [14,14,16]         256         47,040
add_1               add                                            depthwise_conv2d_1 relu_1  [14,14,16]           0              0
concat_1            concat            axis 2                       relu_1 add_1               [14,14,32]           0              0
average_pool_1      average_pool      3x3 stride 2x2 pad 1,1,0,0   concat_1                   [7,6,32]             0              0
flatten_1           flatten                                        average_pool_1             [1344]               0              0
logits*             linear                                         flatten_1                  [10]            13,450         13,440
total                                                                                                         13,882         91,840
)");
}

TEST_CASE("the drawing of a graph has a box for every node and an arrow for every use") {
  Graph g;
  auto x = g.input({4});
  g.output(x + relu(x));
  CHECK(dot(g) == R"(digraph stet {
  node [shape=box, fontname="Helvetica"];
  n0 [label="input_1\ninput\n[4]"];
  n1 [label="relu_1\nrelu\n[4]"];
  n2 [label="add_1\nadd\n[4]", peripheries=2];
  n0 -> n1;
  n0 -> n2;
  n1 -> n2;
}
)");
}

}  // namespace print_test
