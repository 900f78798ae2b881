#pragma once
// What processes that train together tell each other beside sums: whether they do the same, and what each of them decided.

#include <stet/core/communicator.hpp>
#include <stet/core/error.hpp>
#include <stet/core/hash.hpp>
#include <stet/core/isa.hpp>
#include <stet/core/text.hpp>
#include <stet/train/identity.hpp>
#include <stet/version.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stet::detail {

// Who writes files and shows progress.
inline bool is_first(const Communicator* comm) { return comm == nullptr || comm->rank() == 0; }

// What of the program and its machine decides bits.
inline std::string describe_program() {
  return formatted("stet {}.{}.{}\ninstruction set {}\n", STET_VERSION_MAJOR, STET_VERSION_MINOR, STET_VERSION_PATCH,
                   to_string(isa()));
}

// One number of every process.
template <class T>
std::vector<T> gather(Communicator& comm, const T& own) {
  std::vector<T> all(static_cast<std::size_t>(comm.size()));
  const std::vector<std::size_t> sizes(all.size(), sizeof(T));
  comm.all_gather(std::as_bytes(std::span(&own, 1)), sizes, std::as_writable_bytes(std::span(all)));
  return all;
}

// Whether one process says so; without others, this one.
inline bool any_process(Communicator* comm, bool own) {
  if (comm == nullptr || comm->size() == 1) return own;
  const std::vector<unsigned char> all = gather(*comm, static_cast<unsigned char>(own ? 1 : 0));
  return std::any_of(all.begin(), all.end(), [](unsigned char c) { return c != 0; });
}

// The text of the first process, in all of them.
inline std::string text_of_first(Communicator& comm, const std::string& own) {
  const bool first = comm.rank() == 0;
  std::vector<std::size_t> sizes(static_cast<std::size_t>(comm.size()), 0);
  sizes[0] = gather(comm, static_cast<std::uint64_t>(own.size()))[0];
  std::string text(sizes[0], ' ');
  comm.all_gather(std::as_bytes(std::span(own.data(), first ? own.size() : 0)), sizes,
                  std::as_writable_bytes(std::span(text.data(), text.size())));
  return text;
}

// Errors:    Errc::state in all processes unless all bring the same lines; it names those in which one differs from the first
inline void require_same(Communicator& comm, const std::string& lines, const char* who = "fit: processes that train together") {
  if (comm.size() == 1) return;
  const std::vector<std::uint64_t> hashes = gather(comm, Hash64().text(lines).value());
  std::string others;
  for (std::size_t r = 1; r < hashes.size(); ++r) {
    if (hashes[r] != hashes[0]) others += formatted("{}{}", others.empty() ? "" : ", ", r);
  }
  if (others.empty()) return;
  const std::string there = text_of_first(comm, lines);
  std::string which;
  const std::vector<std::string_view> a = lines_of(there), b = lines_of(lines);
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const std::string_view x = i < a.size() ? a[i] : "nothing", y = i < b.size() ? b[i] : "nothing";
    if (x != y)
      which += formatted("{}process 0 has '{}', process {} '{}'", which.empty() ? ": " : "; ", x, comm.rank(), y);
  }
  fail(Errc::state, "{} must do the same, and {} differ{} from process 0{}", who, others,
       others.find(',') == std::string::npos ? "s" : "", which);
}

// A function of fields that does nothing, to ask whether a model has some.
struct NoField {
  template <class T>
  void operator()(std::string_view, T&&) const {}
};
// The numbers of a model, of one that says them.
template <class M>
std::string describe_numbers(const M& model) {
  if constexpr (std::copy_constructible<M> && requires(M& m) { m.fields(NoField()); }) {
    Hash64 numbers;
    hash_fields(model, [&](std::string_view) -> Hash64& { return numbers; });
    return formatted("model {:016x}\n", numbers.value());
  } else {
    return {};
  }
}

}  // namespace stet::detail
