#pragma once
// FitStage: what the loop of fit asks of the stage that a model is at.

#include <stet/autograd/tape.hpp>
#include <stet/core/parallel.hpp>
#include <stet/data/batch.hpp>
#include <stet/model/forward.hpp>
#include <stet/train/fit_options.hpp>
#include <stet/train/optimizer.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace stet::detail {

// One stage's side of the loop. A lane is the model (0) or a copy of it, on which a part of a batch is learned.
struct FitStage {
  FunctionRef<std::vector<Var<Tensor<float>>>(std::size_t lane, Tape&, const Batch&, const ForwardOptions&)> forward;
  FunctionRef<void(std::size_t lanes)> copy_lanes;  // makes the others what lane 0 is now
  FunctionRef<std::vector<ParameterRef>(std::size_t lane)> lane_parameters;
  FunctionRef<void(double)> advance;
  FunctionRef<std::vector<Tensor<float>>(const Batch&)> infer;  // for validation
  FunctionRef<void()> save;
  FunctionRef<std::string()> statistics_fault;               // of running means and variances, after every step
  FunctionRef<std::string()> fault;                          // of everything, after every epoch
  FunctionRef<void(const StepReport&, const Batch&)> watch;  // after every step, to look
  FunctionRef<double()> oscillating;
  FunctionRef<void()> keep_best, restore_best;
};

}  // namespace stet::detail
