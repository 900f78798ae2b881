#pragma once
// The model of a run's best epoch, kept beside the one that trains.

#include <stet/model/state_fields.hpp>

#include <string_view>
#include <utility>

namespace stet::detail {

// What EarlyStop::restore_best goes back to: all that makes up a model, in the run and in its checkpoint.
template <class M>
struct BestModel {
  M model;

  template <class F>
  void fields(F&& f) {
    checkpoint_fields(model, [&](std::string_view name, const FieldRef& field) { f(name, field); });
  }
};

}  // namespace stet::detail
