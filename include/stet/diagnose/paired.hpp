#pragma once
// Two models on the same images: what differs, whether that can be chance, and how it is said.

#include <stet/train/evaluate.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace stet {

/// What a classifier answered, image by image.
struct Answers {
  std::vector<std::uint8_t> correct{};  ///< 1 where the largest logit is that of the label
  std::vector<float> loss{};            ///< cross-entropy

  [[nodiscard]] std::int64_t images() const { return static_cast<std::int64_t>(correct.size()); }
  [[nodiscard]] double accuracy() const {
    return correct.empty() ? 0 : static_cast<double>(std::count(correct.begin(), correct.end(), 1)) / static_cast<double>(correct.size());
  }
  [[nodiscard]] double mean_loss() const {
    double sum = 0;
    for (const float x : loss) sum += static_cast<double>(x);
    return loss.empty() ? 0 : sum / static_cast<double>(loss.size());
  }
};

namespace detail {
STET_ENTRY Answers answers_of_batches(FunctionRef<Tensor<float>(const Batch&)> logits, const Dataset& data, const EvaluateOptions& options);
#if STET_DEFINE_ENTRIES
STET_ENTRY Answers answers_of_batches(FunctionRef<Tensor<float>(const Batch&)> logits, const Dataset& data, const EvaluateOptions& options) {
  Answers a;
  std::size_t next = 0;
  // It checks what comes back, and asks for one batch after the other, in order.
  (void)evaluate_batches(
      [&](const Batch& batch) -> Tensor<float> {
        const Tensor<float> y = logits(batch);
        if (y.shape().rank() != 2 || y.shape()[0] != batch.size() || data.classes() > y.shape()[1]) return y;
        const auto classes = static_cast<std::size_t>(y.shape()[1]);
        for (std::int64_t i = 0; i < y.shape()[0]; ++i) {
          const auto row = y.span().subspan(static_cast<std::size_t>(i) * classes, classes);
          const int label = data.labels()[next++];
          a.correct.push_back(argmax(row) == label ? 1 : 0);
          a.loss.push_back(static_cast<float>(cross_entropy_of(row, label)));
        }
        return y;
      },
      data, options);
  return a;
}
#endif
}  // namespace detail

/// The answers of anything that turns images into logits.
/// Shapes:    logits: [N,...] -> [N,classes]
/// Errors:    as evaluate_logits
inline Answers answers_of_logits(FunctionRef<Tensor<float>(const Tensor<float>&)> logits, const Dataset& data,
                                 const EvaluateOptions& options = {}) {
  return detail::answers_of_batches([&](const Batch& batch) -> Tensor<float> { return logits(batch.x); }, data, options);
}

/// The answers of a model of one output, as evaluate gets them.
/// Errors:    as evaluate
template <Classifier M>
Answers answers_of(const M& model, const Dataset& data, const EvaluateOptions& options = {}) {
  return detail::answers_of_batches(
      [&](const Batch& batch) -> Tensor<float> { return detail::chosen_output("answers_of", detail::outputs_of(model, batch), -1); }, data, options);
}

/// When a difference is called one: chance is unlikely *and* it is large enough to matter. A threshold of chance alone raises
/// false alarms: of 34 pairs of healthy runs one had p = 0.0013, at 0.28 points.
struct WorseRule {
  double p = 0.01;
  double points = 0.3;
};

/// Accuracy of one model against another on the same images.
struct PairedDifference {
  std::int64_t images = 0;
  std::int64_t gained = 0, lost = 0;  ///< images that only the second, only the first has right
  double points = 0;                  ///< accuracy of the second minus that of the first, in percentage points
  double low = 0, high = 0;           ///< 95 % interval of it
  double p = 1;                       ///< probability of a difference like this or larger if both were equally good
  double loss = 0;                    ///< mean cross-entropy of the second minus that of the first

  [[nodiscard]] bool worse(const WorseRule& rule = {}) const { return p < rule.p && points <= -rule.points; }
  [[nodiscard]] bool better(const WorseRule& rule = {}) const { return p < rule.p && points >= rule.points; }
  /// The difference in words: "0.12 points below its control, 95 % interval -0.31 to +0.07: no difference shown".
  [[nodiscard]] std::string str(std::string_view other = "the other", const WorseRule& rule = {}) const;
};

/// A number of points with its sign: "+0.07".
STET_ENTRY std::string with_sign(double points);

/// Compares answers to the same images.
/// Formula:   points = 100 (gained - lost) / n; p of McNemar's exact test: gained ~ Binomial(gained + lost, 1/2), two-sided;
///            interval: Wald's of paired proportions with half an image added to each of the four counts
/// Errors:    Errc::shape if there is none or the numbers of images differ
/// Source:    McNemar 1947; Agresti and Min 2005, doi 10.1002/sim.1781
STET_ENTRY PairedDifference compare(const Answers& first, const Answers& second);
#if STET_DEFINE_ENTRIES
namespace detail {

// Probability that of n throws of a coin at most k show heads, doubled and at most 1.
inline double two_sided_sign_test(std::int64_t k, std::int64_t n) {
  double sum = 0;
  const auto log_of_factorial = [](std::int64_t i) { return std::lgamma(static_cast<double>(i) + 1.0); };
  for (std::int64_t i = 0; i <= k; ++i) {
    sum += std::exp(log_of_factorial(n) - log_of_factorial(i) - log_of_factorial(n - i) - static_cast<double>(n) * std::log(2.0));
  }
  return std::min(1.0, 2.0 * sum);
}

}  // namespace detail

STET_ENTRY PairedDifference compare(const Answers& first, const Answers& second) {
  require(first.images() > 0 && first.images() == second.images(), Errc::shape,
          "compare: wants answers to the same images, got {} and {}", first.images(), second.images());
  PairedDifference d;
  d.images = first.images();
  for (std::size_t i = 0; i < first.correct.size(); ++i) {
    d.gained += second.correct[i] > first.correct[i] ? 1 : 0;
    d.lost += second.correct[i] < first.correct[i] ? 1 : 0;
  }
  const auto n = static_cast<double>(d.images), gained = static_cast<double>(d.gained), lost = static_cast<double>(d.lost);
  d.points = 100.0 * (gained - lost) / n;
  d.p = detail::two_sided_sign_test(std::min(d.gained, d.lost), d.gained + d.lost);
  const double total = n + 2.0, both = gained + lost + 1.0, centre = (gained - lost) / total;
  const double width = 1.959964 * std::sqrt(std::max(0.0, both - (gained - lost) * (gained - lost) / total)) / total;
  d.low = 100.0 * (centre - width);
  d.high = 100.0 * (centre + width);
  d.loss = second.mean_loss() - first.mean_loss();
  return d;
}

STET_ENTRY std::string with_sign(double points) {
  return formatted("{}{:.2f}", points < 0 ? "-" : "+", std::fabs(points));
}

STET_ENTRY std::string PairedDifference::str(std::string_view other, const WorseRule& rule) const {
  const char* verdict = worse(rule) ? "worse" : better(rule) ? "better" : "no difference shown";
  const std::string where = points == 0 ? formatted("as {}", other)
                            : points < 0 ? formatted("{:.2f} points below {}", -points, other)
                                         : formatted("{:.2f} points above {}", points, other);
  return formatted("{}, 95 % interval {} to {}: {}", where, with_sign(low), with_sign(high), verdict);
}
#endif

}  // namespace stet
