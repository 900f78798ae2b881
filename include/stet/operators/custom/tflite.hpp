#pragma once
// The user's own operators in .tflite files: functions of one number among codes are tables, which codes are looked up in
// (CAST, ADD, GATHER); floats have no operator for them.

#include <stet/io/tflite/float_plan.hpp>
#include <stet/io/tflite/integer_importer.hpp>
#include <stet/io/tflite/integer_writer.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace stet::tflite {

inline void write(const op::Custom& o, IntegerWriter& w) { w.lookup(w.resolve(o)); }
inline void write(const op::Custom&, Writer& w) {
  fail(Errc::unsupported, "save_tflite: {} has no TFLite operator", w.node().name);  // refused before that
}
inline FloatTraits traits_of(const op::Custom&, const Shape&) {
  return {.fault = "an operator of your own has no TFLite operator"};
}

namespace detail {

// CAST of codes, ADD of 128 and GATHER from 256 codes are one lookup, which is read at the CAST.
inline void read_cast(const Site& s, IntegerImporter& in) {
  s.expect_inputs(1, 1);
  s.expect_options(OptionsType::cast);
  const OperatorInfo* add = in.sole_reader(s.output_index());
  const OperatorInfo* gather = add == nullptr || add->outputs.size() != 1 ? nullptr : in.sole_reader(add->outputs[0]);
  const bool follow = gather != nullptr && add->code == Builtin::add && gather->code == Builtin::gather &&
                      s.input(0).type == TensorType::int8 && s.output().type == TensorType::int32;
  s.require(follow, Errc::unsupported,
            "only a lookup is understood: CAST of int8 to int32, ADD of 128, GATHER from a table of 256 codes");
  const Site sum = in.site_of(*add), end = in.site_of(*gather);
  sum.expect_inputs(2, 2);
  sum.expect_options(OptionsType::add);
  sum.require(sum.integers(1, "the summand") == std::vector<std::int64_t>{128} && sum.activation() == Activation::none,
              Errc::unsupported, "only a summand of 128 in front of a table of codes is understood");
  end.expect_inputs(2, 2);
  end.expect_options(OptionsType::gather);
  const Tensor<std::int8_t> table = end.constant<std::int8_t>(end.input(0), TensorType::int8);
  end.require(table.shape() == Shape{256} && end.options().axis == 0 && end.options().batch_dims == 0 &&
                  end.index(1) == sum.output_index(),
              Errc::unsupported, "only 256 codes, gathered along dimension 0 by codes + 128, are understood");
  const int from = in.value(s, 0);
  integer::Table codes{};
  std::ranges::copy(table.span(), codes.begin());
  const Affine out = IntegerImporter::codes(end, end.output());
  in.finish(end, op::Custom{std::make_shared<const graph::LookupOp>(codes, in.codes(from), out)}, {from}, Activation::none);
}
// What a CAST has read already.
inline void read_gather(const Site& s, IntegerImporter& in) {
  s.require(in.value_of(s.output_index()) >= 0, Errc::unsupported, "only a lookup of codes is understood");
}

}  // namespace detail

inline constexpr Row custom_rows[] = {{Builtin::cast, {nullptr, detail::read_cast}, 3, 1, "1.5.0 2.7.0 2.8.0", "AddCast"},
                                      {Builtin::gather, {nullptr, detail::read_gather}, 2, 4, "1.6.0 1.14.0 1.15.0 2.4.0", "AddGather"}};

}  // namespace stet::tflite
