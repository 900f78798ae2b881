#pragma once
// override_weights: another scheme for the weights of one node of a recipe.

#include <stet/qat/recipe.hpp>

#include <algorithm>
#include <string>

namespace stet::detail {

// Sets the scheme of a node's weights in the recipe's override of that node, or in a new one; what else the override says stays.
inline void override_weights(Recipe& recipe, const std::string& node, const AnyScheme& weights) {
  const auto known = std::find_if(recipe.overrides.begin(), recipe.overrides.end(), [&](const RecipeOverride& o) { return o.node == node; });
  if (known != recipe.overrides.end()) {
    known->weights = weights;
  } else {
    recipe.overrides.push_back({.node = node, .weights = weights});
  }
}

}  // namespace stet::detail
