// Plants every cause of a worse quantized model in trained networks, asks diagnose why, and prints what it named: a row per
// cause, then the confusion table and the healthy cases. Accuracy is that of the deployed integers on Fashion-MNIST.
//   bench_why [networks, comma] [seeds] [epochs of FP32] [directory to keep the float networks in] [only plants with this text]

#include "float_network.hpp"
#include "planted_causes.hpp"

#include <stet/core/warning.hpp>
#include <stet/data/idx.hpp>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>

#include <fmt/format.h>

namespace {

using namespace planted;

int run(const std::string& networks, int seeds, int epochs, const std::string& directory, const std::string& only_text) {
  set_warning_handler([](const std::string&) {});
  const DatasetSplit data = load_fashion_mnist();
  std::map<std::string, std::map<std::string, int>> named;  // wanted cause -> first cause -> cases
  int right = 0, wanted = 0, complaints = 0, healthy = 0;
  std::vector<double> restored;
  for (const std::string& network : bench::list_of(networks)) {
    for (int s = 1; s <= seeds; ++s) {
      const auto seed = static_cast<std::uint64_t>(s);
      const Healthy h{network, bench::float_network(network, seed, epochs, data.train, directory), bench::float_network(network, seed, 1, data.train.first(6000), directory),
                      data.train.slice((s - 1) * 12000, s * 12000), data.test, seed, 2};
      std::vector<Plant> plants = all_plants();
      const std::vector<Plant> none = healthy_cases();
      plants.insert(plants.end(), none.begin(), none.end());
      for (const Plant& p : plants) {
        if (!only_text.empty() && p.name.find(only_text) == std::string::npos) continue;
        Case c(h);
        try {
          p.plant(c, h);
        } catch (const Error& e) {
          if (e.code() != Errc::unsupported) throw;
          continue;
        }
        const Diagnosis d = diagnose(c.question());
        const std::string first = d.cause() == nullptr ? "" : d.cause()->id;
        const double share = d.cause() == nullptr ? 0 : d.cause()->share;
        fmt::print("| {} {} | {} | {} | {} | {:.0f} | {} | {:.1f} s |\n", network, seed, p.name, p.cause.empty() ? "-" : p.cause, first.empty() ? "-" : first,
                   100 * share, d.sentence, d.seconds);
        if (first != p.cause) {
          for (const InterventionResult& r : d.interventions) fmt::print("|   | {} | | | {:.0f} and {:.0f} % | | {:.1f} s |\n", r.id, 100 * r.share_of_loss, 100 * r.share_of_accuracy, r.seconds);
        }
        std::fflush(stdout);
        ++named[p.cause][first];
        if (p.cause.empty()) {
          ++healthy;
          complaints += first.empty() ? 0 : 1;
        } else {
          ++wanted;
          right += first == p.cause ? 1 : 0;
          if (share > 0) restored.push_back(share);
        }
      }
    }
  }
  fmt::print("\n| planted | named first |\n|---|---|\n");
  for (const auto& [cause, firsts] : named) {
    std::string text;
    for (const auto& [first, count] : firsts) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", first.empty() ? "no complaint" : first, count);
    fmt::print("| {} | {} |\n", cause.empty() ? "nothing" : cause, text);
  }
  std::sort(restored.begin(), restored.end());
  fmt::print("\n{} of {} planted causes named first; {} of {} healthy cases with a complaint", right, wanted, complaints, healthy);
  if (!restored.empty()) fmt::print("; share of the gap that the intervention closed: least {:.0f} %, median {:.0f} %", 100 * restored.front(), 100 * restored[restored.size() / 2]);
  fmt::print("\n");
  return right == wanted && complaints == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const auto text = [&](int i, const char* standard) { return bench::argument(argc, argv, i, standard); };
  return run(text(1, "plain,separable,residual"), std::atoi(text(2, "3").c_str()), std::atoi(text(3, "3").c_str()), text(4, ""), text(5, ""));
}
