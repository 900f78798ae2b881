#pragma once
// stet's fake quantization as an operator of torch.

#include <stet/quant/fake_quantize.hpp>

#include <torch/autograd.h>
#include <torch/types.h>

#include <span>

namespace example {

/// The values of a tensor, in place. Errors: Errc::unsupported unless they are contiguous floats on the CPU.
inline std::span<float> floats(const torch::Tensor& t) {
  stet::require(t.device().is_cpu() && t.scalar_type() == torch::kFloat && t.is_contiguous(), stet::Errc::unsupported,
                "fake_quantize: needs a contiguous tensor of float on the CPU, got {} on {}{}",
                c10::toString(t.scalar_type()), t.device().str(), t.is_contiguous() ? "" : ", not contiguous");
  return {t.data_ptr<float>(), static_cast<std::size_t>(t.numel())};
}

inline stet::Shape shape(const torch::Tensor& t) {
  return stet::Shape(std::span<const std::int64_t>(t.sizes().data(), static_cast<std::size_t>(t.dim())));
}

/// y = fake_quantize(x, p); the gradient is that of the clipped straight-through estimator, none flows to p.
class FakeQuantize : public torch::autograd::Function<FakeQuantize> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x,
                               const stet::QParams& p) {
    torch::Tensor y = torch::empty_like(x);
    stet::fake_quantize(floats(x), shape(x), p, floats(y));
    context->save_for_backward({x});
    context->saved_data["params"] = c10::IValue::make_capsule(c10::make_intrusive<Held>(p));
    return y;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const torch::Tensor x = context->get_saved_variables()[0];
    const auto held = c10::static_intrusive_pointer_cast<Held>(context->saved_data["params"].toCapsule());
    const torch::Tensor dy = gradients[0].contiguous();
    torch::Tensor dx = torch::empty_like(x);
    stet::fake_quantize_backward(floats(x), floats(dy), shape(x), held->params, floats(dx));
    return {dx, torch::Tensor()};
  }

 private:
  // Parameters on their way to the backward pass.
  struct Held : torch::CustomClassHolder {
    explicit Held(stet::QParams p) : params(std::move(p)) {}
    stet::QParams params;
  };
};

inline torch::Tensor fake_quantize(const torch::Tensor& x, const stet::QParams& p) { return FakeQuantize::apply(x, p); }

}  // namespace example
