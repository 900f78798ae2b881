// Only what has weights can be trained: a Graph is structure. The message names the concept.
// at most 2 errors
// expect: Trainable|Classifier
#include <stet/train/fit.hpp>

void use(stet::Graph& graph, stet::Model& model, const stet::Dataset& data) {
#ifdef STET_CONTROL
  (void)graph;
  fit(model, data);
#else
  (void)model;
  stet::fit(graph, data);
#endif
}

int main() {}
