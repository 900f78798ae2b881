#pragma once
// GradientBuckets: gradients that are added up over processes while the backward pass goes on, in whatever order is fastest.

#include <stet/core/communicator.hpp>
#include <stet/core/parameter.hpp>
#include <stet/train/optimizer.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace stet::detail {

// Gathers gradients in the order in which they are complete, and hands on what is as large as a message should be. All processes
// run the same operators, so their buckets are alike.
class GradientBuckets {
 public:
  // `counts`: false in a process without a part, which adds nothing.
  GradientBuckets(std::span<const ParameterRef> parameters, Communicator& comm, bool counts)
      : parameters_(parameters), comm_(comm), counts_(counts), taken_(parameters.size(), false) {
    for (std::size_t i = 0; i < parameters.size(); ++i) index_.emplace(parameters[i].parameter, i);
  }

  // The gradient of a parameter is complete.
  void take(const Parameter& parameter) {
    const auto found = index_.find(&parameter);  // frozen ones are not there
    if (found != index_.end()) take(found->second);
  }
  // Takes those that no tape had (learned ranges), waits for all, and gives every parameter its sum.
  void finish() {
    for (std::size_t i = 0; i < parameters_.size(); ++i) take(i);
    send();
    comm_.finish_additions();
    for (const auto& bucket : buckets_) {
      auto from = bucket->values.begin();
      for (const std::size_t i : bucket->parameters) {
        const auto to = parameters_[i].parameter->gradient.edit();
        std::copy_n(from, to.size(), to.begin());
        from += static_cast<std::ptrdiff_t>(to.size());
      }
    }
  }

 private:
  struct Bucket {
    std::vector<float> values{};
    std::vector<std::size_t> parameters{};
  };
  static constexpr std::size_t bucket_numbers = 262144;  // 1 MiB

  void take(std::size_t i) {
    const Tensor<float>& gradient = parameters_[i].parameter->gradient;
    if (taken_[i] || gradient.empty()) return;
    taken_[i] = true;
    if (!open_) open_ = std::make_unique<Bucket>();
    open_->parameters.push_back(i);
    std::vector<float>& values = open_->values;
    if (counts_) {
      values.insert(values.end(), gradient.span().begin(), gradient.span().end());
    } else {
      values.resize(values.size() + gradient.span().size(), 0.0f);
    }
    if (values.size() >= bucket_numbers) send();
  }
  void send() {
    if (!open_) return;
    buckets_.push_back(std::move(open_));
    comm_.begin_addition(buckets_.back()->values);
  }

  std::span<const ParameterRef> parameters_;
  Communicator& comm_;
  bool counts_;
  std::vector<bool> taken_;
  std::map<const Parameter*, std::size_t> index_{};
  std::unique_ptr<Bucket> open_{};  // what is being filled
  std::vector<std::unique_ptr<Bucket>> buckets_{};
};

}  // namespace stet::detail
