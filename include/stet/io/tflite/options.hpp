#pragma once
// The options tables of the TFLite schema: which attribute stands in which slot. Writer and reader both walk this list.

#include <stet/io/tflite/schema.hpp>

namespace stet::tflite {

/// Calls f(slot, pointer to the member of Options) for every field of an options table that is understood.
/// Source:    schema.fbs of LiteRT
template <class F>
void visit_options(OptionsType type, F&& f) {
  using O = Options;
  switch (type) {
    case OptionsType::conv_2d:
      f(0, &O::padding), f(1, &O::stride_w), f(2, &O::stride_h), f(3, &O::fused_activation);
      f(4, &O::dilation_w), f(5, &O::dilation_h), f(6, &O::quantized_bias_type);
      break;
    case OptionsType::depthwise_conv_2d:
      f(0, &O::padding), f(1, &O::stride_w), f(2, &O::stride_h), f(3, &O::depth_multiplier);
      f(4, &O::fused_activation), f(5, &O::dilation_w), f(6, &O::dilation_h);
      break;
    case OptionsType::transpose_conv:
      f(0, &O::padding), f(1, &O::stride_w), f(2, &O::stride_h), f(3, &O::fused_activation), f(4, &O::quantized_bias_type);
      break;
    case OptionsType::pool_2d:
      f(0, &O::padding), f(1, &O::stride_w), f(2, &O::stride_h), f(3, &O::filter_width);
      f(4, &O::filter_height), f(5, &O::fused_activation);
      break;
    case OptionsType::fully_connected:
      f(0, &O::fused_activation), f(1, &O::weights_format), f(2, &O::keep_num_dims);
      f(3, &O::asymmetric_quantize_inputs), f(4, &O::quantized_bias_type);
      break;
    case OptionsType::add:
    case OptionsType::sub:
      f(0, &O::fused_activation), f(1, &O::pot_scale_int16);
      break;
    case OptionsType::mul:
      f(0, &O::fused_activation);
      break;
    case OptionsType::softmax:
      f(0, &O::beta);
      break;
    case OptionsType::concatenation:
      f(0, &O::axis), f(1, &O::fused_activation);
      break;
    case OptionsType::reshape:
      f(0, &O::new_shape);
      break;
    case OptionsType::squeeze:
      f(0, &O::squeeze_dims);
      break;
    case OptionsType::reducer:
      f(0, &O::keep_dims);
      break;
    case OptionsType::leaky_relu:
      f(0, &O::alpha);
      break;
    case OptionsType::gelu:
      f(0, &O::approximate);
      break;
    case OptionsType::batch_matmul:
      f(0, &O::adj_x), f(1, &O::adj_y), f(2, &O::asymmetric_quantize_inputs);
      break;
    case OptionsType::strided_slice:
      f(0, &O::begin_mask), f(1, &O::end_mask), f(2, &O::ellipsis_mask), f(3, &O::new_axis_mask);
      f(4, &O::shrink_axis_mask);
      break;
    case OptionsType::pack:
      f(0, &O::values_count), f(1, &O::axis);
      break;
    case OptionsType::gather:
      f(0, &O::axis), f(1, &O::batch_dims);
      break;
    case OptionsType::unidirectional_sequence_lstm:
      f(0, &O::fused_activation), f(1, &O::cell_clip), f(2, &O::proj_clip), f(3, &O::time_major);
      break;
    case OptionsType::mirror_pad:
      f(0, &O::mirror);
      break;
    case OptionsType::split:
    case OptionsType::split_v:
      f(0, &O::num_splits);
      break;
    case OptionsType::resize_bilinear:
      f(2, &O::align_corners), f(3, &O::half_pixel_centers);
      break;
    case OptionsType::resize_nearest_neighbor:
      f(0, &O::align_corners), f(1, &O::half_pixel_centers);
      break;
    case OptionsType::none:
    case OptionsType::slice:
    case OptionsType::abs:
    case OptionsType::exp:
    case OptionsType::neg:
    case OptionsType::pow:
    case OptionsType::square:
    case OptionsType::squared_difference:
    case OptionsType::cast:  // the types of the tensors
    case OptionsType::pad:
    case OptionsType::shape:
    case OptionsType::expand_dims:
    case OptionsType::pad_v2:
    case OptionsType::transpose:
    case OptionsType::dequantize:
    case OptionsType::log_softmax:
    case OptionsType::maximum_minimum:
    case OptionsType::quantize:
    case OptionsType::hard_swish:
      break;  // no fields
  }
}

}  // namespace stet::tflite
