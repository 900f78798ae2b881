// expect: a Scheme needs encode\(std::span<const float> x
// at most 2 errors
#include <stet/qat/fake_quantize.hpp>

struct HalfAScheme {
  stet::QParams qparams(std::span<const stet::Range> ranges) const {
    return stet::choose_qparams(ranges, stet::Grid::int8());
  }
  void decode(std::span<const std::int8_t> codes, const stet::Shape& shape, const stet::QParams& p,
              std::span<float> y) const {
    stet::dequantize(codes, shape, p, y);
  }
#if defined(STET_CONTROL)
  void encode(std::span<const float> x, const stet::Shape& shape, const stet::QParams& p, stet::ClipMask mask,
              std::span<std::int8_t> codes, std::span<std::uint32_t> pass) const {
    stet::encode(x, shape, p, mask, codes, pass);
  }
#endif
};

stet::Var<stet::Tensor<float>> use(const stet::Var<stet::Tensor<float>>& x) {
  return stet::fake_quantize(x, HalfAScheme{});
}
