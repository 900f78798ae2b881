#pragma once
// A batch that several processes take through a model, each of them a share.

#include <stet/core/communicator.hpp>
#include <stet/core/parallel.hpp>
#include <stet/core/tensor.hpp>
#include <stet/data/batch.hpp>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace stet::detail {

// What infer makes of a batch, of which every process does its share of the samples. Each sample stands for itself, so this is
// what one process would get.
inline std::vector<Tensor<float>> infer_together(Communicator& comm,
                                                 FunctionRef<std::vector<Tensor<float>>(const Batch&)> infer,
                                                 const Batch& batch) {
  const int processes = comm.size();
  if (processes == 1 || batch.size() < processes) return infer(batch);
  const Chunk own = chunk_of(batch.size(), processes, comm.rank());
  std::vector<Tensor<float>> all;
  for (const Tensor<float>& part : infer(batch.rows(own.first, own.last))) {
    Tensor<float> whole(part.shape().unbatched().batched(batch.size()));
    const auto each = static_cast<std::size_t>(whole.size() / batch.size()) * sizeof(float);
    std::vector<std::size_t> sizes;
    for (int r = 0; r < processes; ++r)
      sizes.push_back(static_cast<std::size_t>(chunk_of(batch.size(), processes, r).size()) * each);
    comm.all_gather(std::as_bytes(part.span()), sizes, std::as_writable_bytes(whole.edit()));
    all.push_back(std::move(whole));
  }
  return all;
}

}  // namespace stet::detail
