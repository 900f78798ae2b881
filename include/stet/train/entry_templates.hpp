#pragma once
// Entry points that are templates, for the types they are mostly called with (see core/entry.hpp). A program's own
// model types, and header-only programs, make theirs where they call them.

#include <stet/train/adam.hpp>
#include <stet/train/checkpoint.hpp>
#include <stet/train/evaluate.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/fit_qat.hpp>

#if defined(STET_SPLIT)
#if STET_DEFINE_ENTRIES
#define STET_ENTRY_TEMPLATE template
#else
#define STET_ENTRY_TEMPLATE extern template
#endif

namespace stet {

STET_ENTRY_TEMPLATE void detail::adam_block<float>(const detail::AdamStep&, std::span<float>, std::span<const float>, std::span<const std::span<float>>);
STET_ENTRY_TEMPLATE FitReport fit<Model>(Model&, const Dataset&, const FitOptions&);
STET_ENTRY_TEMPLATE FitReport fit<QatModel>(QatModel&, const Dataset&, const FitOptions&);
STET_ENTRY_TEMPLATE Evaluation evaluate<Model>(const Model&, const Dataset&, const EvaluateOptions&);
STET_ENTRY_TEMPLATE Evaluation evaluate<QatModel>(const QatModel&, const Dataset&, const EvaluateOptions&);
STET_ENTRY_TEMPLATE void save_checkpoint<Model>(const std::string&, const Model&);
STET_ENTRY_TEMPLATE void save_checkpoint<QatModel>(const std::string&, const QatModel&);
STET_ENTRY_TEMPLATE void load_checkpoint<Model>(const std::string&, Model&, const LoadOptions&);
STET_ENTRY_TEMPLATE void load_checkpoint<QatModel>(const std::string&, QatModel&, const LoadOptions&);

}  // namespace stet

#undef STET_ENTRY_TEMPLATE
#endif
