#pragma once
// reestimate_batch_norm: statistics of the quantized network for its batch norms, after training moved its codes.

#include <stet/data/dataset.hpp>
#include <stet/train/qat_forward.hpp>

#include <algorithm>

namespace stet {

/// Which images re-estimation uses.
struct ReestimateOptions {
  std::int64_t batches = 50;
  std::int64_t batch = 128;
};

/// Replaces the running statistics of every batch norm by the mean of the statistics of batches, with the weights as
/// they are: oscillating weights leave running averages that belong to no single step. Scales, weights and the stage of
/// training stay as they are; call it after fit, before convert.
/// Formula:   mean := mean over batches of the batch mean, variance likewise (unbiased, as PyTorch's running variance)
/// Errors:    Errc::state if the data are empty or a range is missing; Errc::range if an option is not positive
/// Source:    Nagel 2022, arXiv 2203.11086, section 5.1
STET_ENTRY void reestimate_batch_norm(QatModel& qat, const Dataset& data, const ReestimateOptions& options = {});
#if STET_DEFINE_ENTRIES
STET_ENTRY void reestimate_batch_norm(QatModel& qat, const Dataset& data, const ReestimateOptions& options) {
  require(options.batches > 0 && options.batch > 1, Errc::range,
          "reestimate_batch_norm: needs batches of at least 2 images, got {} batches of {}", options.batches,
          options.batch);
  require(data.size() > 1, Errc::state, "reestimate_batch_norm: needs at least 2 images, the data set has {}",
          data.size());
  qat.require_calibrated("reestimate_batch_norm");
  std::int64_t done = 0;
  for (std::int64_t first = 0; first + 1 < data.size() && done < options.batches; first += options.batch, ++done) {
    const Batch batch = data.batch(first, std::min(first + options.batch, data.size()));
    Tape tape;
    detail::UnitRunner runner(tape, qat, &qat, nullptr);
    runner.reestimate(1.0f / static_cast<float>(done + 1));
    (void)runner.run(batch.x, nullptr);
  }
}
#endif

}  // namespace stet
