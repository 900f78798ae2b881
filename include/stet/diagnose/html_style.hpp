#pragma once
// How the page looks: two schemes of colours, one column that becomes cards where there is room, and paper.

#include <stet/core/requirements.hpp>

#include <string>
#include <string_view>

namespace stet::detail {

/// Most of the colour that is mixed into what text stands on, in percent: text keeps a contrast of 4.5 in both schemes
/// (tests/diagnose/html_contrast_test.cpp).
inline constexpr double most_node_part = 70, most_share_part = 60;

// `heat` and `gain` lie under text, the others are text, lines and areas.
inline constexpr std::string_view light_colours =
    "--paper:#fbfaf8;--card:#ffffff;--ink:#1c1b19;--quiet:#5d5a54;--rule:#dedad2;--blue:#2f6f9f;--bad:#b3261e;--good:#2a7447;--warm:#e0a030;--heat:#e0a030;--gain:#5faf80";
inline constexpr std::string_view dark_colours =
    "--paper:#161514;--card:#211f1d;--ink:#ece8e1;--quiet:#aaa49a;--rule:#3a3733;--blue:#7db4dc;--bad:#ff8a80;--good:#6fc794;--warm:#c98a2b;--heat:#9a6414;--gain:#2f7a50";

inline constexpr std::string_view page_rules =
    "*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,Segoe UI,Roboto,sans-serif}"
    "main{max-width:1000px;margin:0 auto;padding:24px 16px 64px}"
    "header{border-left:6px solid var(--good);padding:4px 0 4px 18px;margin-bottom:28px}header.worse{border-color:var(--bad)}"
    ".question{margin:0;color:var(--quiet)}h1{margin:0;font-size:2.2rem;line-height:1.2}header.worse h1{color:var(--bad)}header.fine h1{color:var(--good)}"
    ".sentence{font-size:1.15rem;margin:.5em 0}h2{font-size:1.25rem;margin:2.2em 0 .4em;overflow-wrap:anywhere}h3{font-size:1rem;margin:0;overflow-wrap:anywhere}"
    "section.cause{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:2px 18px;margin:14px 0}section.cause h2{margin-top:.8em}"
    "p{max-width:70ch;overflow-wrap:anywhere}.quiet{color:var(--quiet)}.small{font-size:.85em}.badtext{color:var(--bad)}"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;margin:.6em 0}"
    "caption{text-align:left;color:var(--quiet);font-size:.9rem;padding-bottom:4px}th,td{padding:6px 10px 6px 0;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}"
    "th[scope=row],thead th:first-child{text-align:left;font-weight:500;white-space:normal;min-width:9em;overflow-wrap:anywhere}thead th{color:var(--quiet);font-weight:500;font-size:.9rem}"
    "td.words{text-align:left;white-space:normal}details{margin:6px 0}summary{color:var(--quiet);cursor:pointer}"
    ".heat{background:color-mix(in srgb,var(--gain) var(--part),var(--paper));padding-right:10px}.lost{background:color-mix(in srgb,var(--heat) var(--part),var(--paper))}"
    "svg{display:block;width:100%;height:auto;font:13px system-ui,sans-serif;margin:8px 0}svg text{fill:var(--ink)}svg .quiet{fill:var(--quiet)}svg .badtext{fill:var(--bad)}svg .goodtext{fill:var(--good)}svg .num{font-variant-numeric:tabular-nums}svg .small{font-size:11px}svg .name{font-weight:600}svg .halo{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}"
    ".bar{fill:var(--blue)}.bad{fill:var(--bad)}.good{fill:var(--good)}.aside{opacity:.55}.step{stroke:var(--quiet);fill:none;stroke-dasharray:2 2}"
    ".inuse{fill:color-mix(in srgb,var(--warm) 28%,transparent)}.bin{fill:var(--blue)}.axis{stroke:var(--quiet);fill:none}.p999{stroke:var(--ink);fill:none;stroke-dasharray:4 3}"
    ".edge{stroke:var(--quiet);fill:none;stroke-width:1.3}.node{fill:color-mix(in srgb,var(--heat) var(--part),var(--card));stroke:var(--rule)}"
    ".mark{stroke:var(--quiet);stroke-dasharray:2 4}.line{fill:none;stroke-width:2}.loss{stroke:var(--bad)}.acc{stroke:var(--blue)}.rate{stroke:var(--quiet)}.dashed{stroke-dasharray:5 4}.dot{stroke-dasharray:none;fill:var(--paper)}"
    ".gained{stroke:var(--good);stroke-width:3;fill:none}.before{fill:var(--paper);stroke:var(--bad);stroke-width:2.5}.control{stroke:var(--ink);stroke-width:2;fill:none}"
    ".losstext{color:var(--bad);fill:var(--bad)}.acctext{color:var(--blue);fill:var(--blue)}svg .losstext{fill:var(--bad)}svg .acctext{fill:var(--blue)}"
    ".pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:0 36px}.pair section{min-width:0}"
    ".network svg{margin:8px auto}.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(270px,1fr));gap:14px}"
    ".card{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:14px;break-inside:avoid;min-width:0}.card p{margin:0}"
    "dl{margin:0}dl div{display:flex;justify-content:space-between;gap:12px;border-top:1px solid var(--rule);padding:3px 0}dt{color:var(--quiet)}dd{margin:0;font-variant-numeric:tabular-nums;text-align:right}"
    "pre{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:12px;overflow-x:auto;font-size:.9rem}code{font-size:.95em;overflow-wrap:anywhere}"
    "@media(max-width:600px){h1{font-size:1.7rem}main{padding:16px 12px 48px}th,td{padding-right:8px;font-size:.92rem}section.cause{padding:2px 12px}td .badtext{display:block}th[scope=row],thead th:first-child{min-width:7em}}";

/// The page's style sheet. Paper has the colours of the light scheme, whatever the screen has.
inline std::string page_style() {
  const std::string light(light_colours), dark(dark_colours);
  return ":root{color-scheme:light dark;" + light + "}@media(prefers-color-scheme:dark){:root{" + dark + "}}" + std::string(page_rules) +
         "@media print{:root{color-scheme:light;" + light +
         ";--paper:#ffffff}body{font-size:11pt}section,article{break-inside:avoid}main{max-width:none}.scroll{overflow:visible}details::details-content{content-visibility:visible;block-size:auto}}";
}

}  // namespace stet::detail
