// The corpus of the fuzzers without libFuzzer: every file, cut anywhere, with drawn bytes and with drawn fields changed.

#include <stet/core/random.hpp>

#include "readers.hpp"
#include "support/catch.hpp"
#include "support/warnings.hpp"

#include <algorithm>
#include <filesystem>

namespace corpus_test {

#ifndef STET_TEST_DIR
#define STET_TEST_DIR "tests"
#endif

using namespace stet_test;

TEST_CASE("every reader answers every file of its corpus, whole and damaged, with a value or an Error") {
  const CaughtWarnings warnings;
  for (const Reader& reader : readers) {
    int files = 0;
    const std::string directory = std::string(STET_TEST_DIR) + "/fuzz/corpus/" + std::string(reader.name);
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      INFO(entry.path().string());
      const std::vector<std::uint8_t> whole = stet::read_file(entry.path().string());
      CHECK_NOTHROW(reader.read(whole));
      stet::Rng rng(whole.size());
      for (int i = 0; i < 60; ++i) {
        CHECK_NOTHROW(reader.read(Bytes(whole).first(rng.below(whole.size()))));
        std::vector<std::uint8_t> changed = whole;
        for (int k = 0; k < 1 + i % 4; ++k)
          changed[rng.below(changed.size())] = static_cast<std::uint8_t>(rng.below(256));
        CHECK_NOTHROW(reader.read(changed));
      }
      std::vector<std::uint8_t> walk = whole;  // ever further from the file, and back to it
      for (int i = 0; reader.change != nullptr && i < 400; ++i) {
        const std::vector<std::uint8_t> next = reader.change(i % 8 == 0 ? whole : walk, rng.next());
        if (next.empty()) continue;
        CHECK_NOTHROW(reader.read(next));
        walk = next;
      }
      ++files;
    }
    INFO(directory);
    CHECK(files > 0);
  }
}

}  // namespace corpus_test
