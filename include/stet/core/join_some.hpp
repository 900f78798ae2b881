#pragma once
// join_some: a list of names in a sentence, cut where it becomes too long to read.

#include <stet/core/text.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace stet::detail {

// The first items with commas between, and how many more there are.
inline std::string join_some(const std::vector<std::string>& items, std::size_t most = 12) {
  std::string text;
  for (std::size_t i = 0; i < items.size() && i < most; ++i) text += (i == 0 ? "" : ", ") + items[i];
  if (items.size() > most) text += formatted(" and {} more", items.size() - most);
  return text;
}

}  // namespace stet::detail
