#pragma once
// WindowPlan: how a window is written as .tflite, whose operators know SAME and VALID only.

#include <stet/core/window.hpp>
#include <stet/io/tflite/schema.hpp>

namespace stet::tflite {

/// How a window is written: SAME or VALID, behind a PAD operator where neither is what the window does.
struct WindowPlan {
  Padding padding = Padding::valid;
  bool explicit_pad = false;
  int top = 0, bottom = 0, left = 0, right = 0;  ///< of the PAD operator
};

/// Finds the way to write a window. SAME and VALID are taken wherever they read the same taps.
inline WindowPlan plan_window(const Window& w, const stet::Padding& p) {
  const auto as = [&](stet::Padding::Kind kind) {
    const auto axis = [&](const WindowAxis& a) {
      const WindowAxis b = window_axis("tflite", a.in, static_cast<int>(a.kernel), static_cast<int>(a.stride),
                                       static_cast<int>(a.dilation), kind, 0, 0);
      return a.out == b.out && a.before == b.before;
    };
    return axis(w.h) && axis(w.w);
  };
  const auto fits = [](const WindowAxis& a) { return (a.kernel - 1) * a.dilation < a.in; };
  if (p.kind == stet::Padding::Kind::same || as(stet::Padding::Kind::same)) return {.padding = Padding::same};
  if (fits(w.h) && fits(w.w) && as(stet::Padding::Kind::valid)) return {};
  return {Padding::valid, true, p.top, p.bottom, p.left, p.right};
}

}  // namespace stet::tflite
