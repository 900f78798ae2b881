// A misspelt option is one error at the user's line, not a list of candidates from the library.
// at most 2 errors
// expect: option_typo.cpp:[0-9]+.*error
// expect: filtres
#include <stet/graph/builder.hpp>

int main() {
  stet::Graph g;
  auto x = g.input({28, 28, 1});
#ifdef STET_CONTROL
  g.output(conv2d(x, {.filters = 16, .kernel = 3}));
#else
  g.output(conv2d(x, {.filtres = 16, .kernel = 3}));
#endif
}
