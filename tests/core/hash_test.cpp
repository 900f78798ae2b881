// Hash64 against xxHash's own library, and in pieces.
#include <stet/core/hash.hpp>

#include <support/catch.hpp>

#include <numeric>
#include <vector>

namespace hash_test {

using namespace stet;

namespace {

std::vector<std::uint8_t> sample(std::size_t n) {
  std::vector<std::uint8_t> bytes(n);
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::uint8_t>(i * i * 7 + i);
  return bytes;
}

}  // namespace

TEST_CASE("the hash is XXH64") {
  // XXH64(bytes, n, 0) of libxxhash 0.8.1 for the bytes of sample(n).
  const std::pair<std::size_t, std::uint64_t> known[] = {
      {0, 0xef46db3751d8e999u},   {1, 0xe934a84adb052768u},  {3, 0x0a8b0eaaa44d36dcu},  {4, 0xa52c40dc1e458cb4u},
      {8, 0x7966fb2834796e77u},   {14, 0xc57c63cb9b3d5392u}, {31, 0xbdb87f28fde1ec91u}, {32, 0x70e7f6563e61b260u},
      {33, 0x9dd01335c51ac88fu},  {63, 0x6a3ef85d3e6d755eu}, {64, 0xfe8083554c30b401u}, {100, 0xd52ddaaf21127aa9u},
      {1000, 0xed0b042ef7c8fe40u}};
  for (const auto& [n, hash] : known) {
    CAPTURE(n);
    CHECK(Hash64().bytes(sample(n)).value() == hash);
  }
}

TEST_CASE("how bytes are cut into pieces does not change their hash, texts keep theirs apart") {
  const std::vector<std::uint8_t> all = sample(150);
  const std::uint64_t whole = Hash64().bytes(all).value();
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    Hash64 hash;
    hash.bytes(std::span(all).first(cut));
    CHECK(hash.value() == Hash64().bytes(std::span(all).first(cut)).value());  // asking changes nothing
    CHECK(hash.bytes(std::span(all).subspan(cut)).value() == whole);
  }
  CHECK(Hash64().text("ab").text("c").value() != Hash64().text("a").text("bc").value());
  CHECK(Hash64().number(1.5f).value() == Hash64().numbers(std::span<const float>(std::vector<float>{1.5f})).value());
}

}  // namespace hash_test
