#pragma once
// stet: quantization-aware training whose forward pass is the deployed integer arithmetic. Everything that training
// needs; stet/engine/engine.hpp runs the integers, stet/io/*.hpp writes them, stet/testing/*.hpp checks your own parts.

#include <stet/data/batches.hpp>
#include <stet/data/dataset.hpp>
#include <stet/data/idx.hpp>
#include <stet/graph/builder.hpp>
#include <stet/graph/model.hpp>
#include <stet/graph/print.hpp>
#include <stet/ops/arithmetic.hpp>
#include <stet/passes/calibrate.hpp>
#include <stet/passes/convert.hpp>
#include <stet/passes/observe_ranges.hpp>
#include <stet/passes/prepare.hpp>
#include <stet/passes/quantize.hpp>
#include <stet/passes/reestimate_batch_norm.hpp>
#include <stet/qat/fake_quantize.hpp>
#include <stet/train/check.hpp>
#include <stet/train/checkpoint.hpp>
#include <stet/train/distillation.hpp>
#include <stet/train/entry_templates.hpp>
#include <stet/train/evaluate.hpp>
#include <stet/train/fit.hpp>
#include <stet/train/qat_forward.hpp>
#include <stet/train/qat_steps.hpp>
#include <stet/version.hpp>
