#pragma once
// Sums over the parts of a batch in the order of one binary tree, whatever process has which parts.

#include <stet/core/communicator.hpp>
#include <stet/core/error.hpp>
#include <stet/core/parallel.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace stet::detail {

// The tree over parts 0 .. parts-1: a node of level k covers [i, min(parts, i + 2^k)), i a multiple of 2^k, and is the sum of the
// nodes of level k-1 at i and at i + 2^(k-1), or the first alone where the other one would lie behind the end. Every process has
// a run of parts; it adds up the largest nodes within its run by itself, and only those are sent: one where numbers of parts
// and processes are powers of two, as many as two per level else.
class PartTree {
 public:
  PartTree(std::int64_t parts, int processes) : parts_(parts), processes_(processes) {}

  [[nodiscard]] std::int64_t parts() const { return parts_; }
  [[nodiscard]] int processes() const { return processes_; }
  // The parts of a process; a process has none where there are fewer parts than processes.
  [[nodiscard]] Chunk run_of(int rank) const { return chunk_of(parts_, processes_, rank); }

  // The largest nodes within a process's run, in order.
  [[nodiscard]] std::vector<Chunk> nodes_of(int rank) const {
    std::vector<Chunk> nodes;
    const Chunk run = run_of(rank);
    for (std::int64_t i = run.first; i < run.last;) {
      std::int64_t size = 1;
      while (i % (2 * size) == 0 && std::min(parts_, i + 2 * size) <= run.last && i + size < parts_) size *= 2;
      nodes.push_back({i, std::min(parts_, i + size)});
      i = nodes.back().last;
    }
    return nodes;
  }

  // Adds up consecutive nodes as far as the tree does: add(a, b) makes the node that begins at a the sum of it and the one at b.
  template <class Add>
  static void fold(std::vector<Chunk> nodes, std::int64_t parts, Add add) {
    for (std::int64_t step = 1; step < parts; step *= 2) {
      std::vector<Chunk> rest;
      for (std::size_t k = 0; k < nodes.size(); ++k) {
        const bool pair = k + 1 < nodes.size() && nodes[k].first % (2 * step) == 0 &&
                          nodes[k].last == nodes[k].first + step &&
                          nodes[k + 1].last == std::min(parts, nodes[k].first + 2 * step);
        rest.push_back({nodes[k].first, pair ? nodes[k + 1].last : nodes[k].last});
        if (pair) {
          add(nodes[k].first, nodes[k + 1].first);
          ++k;
        }
      }
      nodes = std::move(rest);
    }
  }

 private:
  std::int64_t parts_;
  int processes_;
};

template <class T>
void add_to(std::span<T> to, std::span<const T> from) {
  parallel_chunks(static_cast<std::int64_t>(to.size()), 1, [&](Chunk c) {
    T* const __restrict a = to.data();
    const T* const __restrict b = from.data();
    for (std::int64_t i = c.first; i < c.last; ++i) a[i] += b[i];
  });
}

// Adds up arrays, one of each of this process's parts: then those at the first places of nodes_of(rank) are these nodes' sums.
template <class T>
void fold_parts(const PartTree& tree, int rank, std::span<const std::span<T>> arrays) {
  const Chunk run = tree.run_of(rank);
  std::vector<Chunk> leaves;
  for (std::int64_t i = run.first; i < run.last; ++i) leaves.push_back({i, i + 1});
  const auto at = [&](std::int64_t i) { return arrays[static_cast<std::size_t>(i - run.first)]; };
  PartTree::fold(std::move(leaves), tree.parts(), [&](std::int64_t a, std::int64_t b) { add_to<T>(at(a), at(b)); });
}

// Adds up the nodes of all processes, which lie one after the other, `length` numbers each, into the first `length`.
template <class T>
void fold_nodes(const PartTree& tree, std::span<T> values, std::size_t length) {
  std::vector<Chunk> nodes;
  for (int r = 0; r < tree.processes(); ++r) {
    for (const Chunk& node : tree.nodes_of(r)) nodes.push_back(node);
  }
  std::vector<std::size_t> place(static_cast<std::size_t>(tree.parts()), 0);
  for (std::size_t k = 0; k < nodes.size(); ++k) place[static_cast<std::size_t>(nodes[k].first)] = k;
  const auto at = [&](std::int64_t i) { return values.subspan(place[static_cast<std::size_t>(i)] * length, length); };
  PartTree::fold(std::move(nodes), tree.parts(), [&](std::int64_t a, std::int64_t b) { add_to<T>(at(a), at(b)); });
}

// The sum over all parts of all processes, in the order of the tree. `arrays` are those of this process's parts, or the one of a
// process without parts, which only receives; all of them hold sums of nodes afterwards, and the first the sum of all.
// Long arrays are added up piece by piece, each piece by one process: every process sends about twice what one array has, a
// little more where its run is of several nodes, however many processes there are.
template <class T>
void sum_in_order(const PartTree& tree, Communicator& comm, std::span<const std::span<T>> arrays) {
  fold_parts(tree, comm.rank(), arrays);
  const int processes = tree.processes();
  if (processes == 1) return;
  const std::size_t length = arrays[0].size();
  const auto ranks = static_cast<std::size_t>(processes);
  std::vector<std::size_t> count(ranks);  // of nodes
  std::size_t nodes = 0;
  for (std::size_t r = 0; r < ranks; ++r) nodes += count[r] = tree.nodes_of(static_cast<int>(r)).size();
  const auto own = static_cast<std::size_t>(comm.rank());
  const std::int64_t first = tree.run_of(comm.rank()).first;
  const std::vector<Chunk> mine = tree.nodes_of(comm.rank());
  const auto array_of = [&](const Chunk& node) { return arrays[static_cast<std::size_t>(node.first - first)]; };

  // Short arrays go to all processes whole, in one exchange: in pieces every process would wait for a message from each other
  // one, which costs more than what such a message could carry instead.
  constexpr std::size_t short_bytes = 16384;
  const bool whole = nodes * length * sizeof(T) <= short_bytes * ranks;
  std::vector<Chunk> pieces(ranks);
  for (std::size_t r = 0; r < ranks; ++r) {
    pieces[r] = whole ? Chunk{0, static_cast<std::int64_t>(length)}
                      : chunk_of(static_cast<std::int64_t>(length), processes, static_cast<std::int64_t>(r));
  }
  const auto bytes = [](std::int64_t numbers) { return static_cast<std::size_t>(numbers) * sizeof(T); };
  std::vector<T> send, receive(nodes * static_cast<std::size_t>(pieces[own].size()));
  std::vector<std::size_t> send_sizes(ranks), receive_sizes(ranks);
  for (std::size_t r = 0; r < ranks; ++r) {
    send_sizes[r] = bytes(pieces[r].size()) * mine.size();
    receive_sizes[r] = bytes(pieces[own].size()) * count[r];
    for (std::size_t k = 0; k < mine.size() && (r == 0 || !whole); ++k) {
      const auto piece = array_of(mine[k]).subspan(static_cast<std::size_t>(pieces[r].first),
                                                   static_cast<std::size_t>(pieces[r].size()));
      send.insert(send.end(), piece.begin(), piece.end());
    }
  }
  if (whole) {
    comm.all_gather(std::as_bytes(std::span(send)), receive_sizes, std::as_writable_bytes(std::span(receive)));
  } else {
    comm.all_to_all(std::as_bytes(std::span(send)), send_sizes, std::as_writable_bytes(std::span(receive)),
                    receive_sizes);
  }
  const auto piece_length = static_cast<std::size_t>(pieces[own].size());
  fold_nodes(tree, std::span(receive), piece_length);
  const std::span<T> sum = std::span(receive).first(std::min(receive.size(), piece_length));
  if (whole) {
    std::copy(sum.begin(), sum.end(), arrays[0].begin());
    return;
  }
  std::vector<std::size_t> sizes(ranks);
  for (std::size_t r = 0; r < ranks; ++r) sizes[r] = bytes(pieces[r].size());
  comm.all_gather(std::as_bytes(sum), sizes, std::as_writable_bytes(arrays[0]));
}

}  // namespace stet::detail
