#pragma once
// reestimate_batch_norm: statistics of the quantized network for its batch norms, after training moved its codes.

#include <stet/core/entry.hpp>
#include <stet/data/dataset.hpp>
#include <stet/model/qat_model.hpp>

#include <cstdint>

#if STET_DEFINE_ENTRIES
#include <stet/data/batches.hpp>
#include <stet/model/qat_forward.hpp>
#endif

namespace stet {

/// Which images re-estimation uses: a sample of the whole data set, cut into batches whose sizes differ by one at most.
struct ReestimateOptions {
  std::int64_t batches = 50;
  std::int64_t batch = 128;
  std::uint64_t seed = 1;  ///< of the sample
};

/// Replaces the running statistics of every batch norm by the mean of the statistics of batches, with the weights as
/// they are: oscillating weights leave running averages that belong to no single step. Scales, weights and the stage of
/// training stay as they are; call it after fit, before convert.
/// Formula:   mean := mean of the batches' means, weighed by their images, variance likewise (unbiased, as PyTorch's
///            running variance)
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
  const bool all = options.batches > data.size() / options.batch;
  const std::int64_t images = all ? data.size() : options.batches * options.batch;
  // An odd number of images in pairs would leave one alone, which has no variance.
  const std::int64_t size = options.batch == 2 && images % 2 == 1 ? 3 : options.batch;
  const Batches batches(data.size(), {.size = size, .seed = options.seed, .images = images, .even = true}, 0);
  std::int64_t seen = 0;
  for (std::int64_t i = 0; i < batches.size(); ++i) {
    const Batch batch = data.batch(batches[i]);
    seen += batch.size();
    Tape tape;
    detail::UnitRunner runner(tape, qat, &qat, nullptr);
    runner.reestimate(static_cast<float>(static_cast<double>(batch.size()) / static_cast<double>(seen)));
    (void)runner.run(batch.inputs(), nullptr);
  }
}
#endif

}  // namespace stet
