"""usage: fields.py INCLUDE COPY     The headers as Doxygen is to read them.

What doc comments say in labelled lines (Formula:, Shapes:, Errors: ...) becomes a paragraph of that title; formulas stay
as they are written. What Doxygen would take for its own language is quoted.
"""
import pathlib
import re
import sys

FIELD = re.compile(r"(Formula|Shapes|Units|Rounding|Gradient|Errors|Source|Laws|Optional):\s+(.*)")
COMMENT = re.compile(r"(\s*)///(?!<)(.*)")
SPECIAL = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "*": "\\*", "@": "\\@", "\\": "\\\\", "#": "\\#", "%": "\\%", "_": "_", "~": "\\~",
           "[": "&#91;", "]": "&#93;", "|": "&#124;", '"': "&quot;"}


def quoted(text):
    """Words as they are; code in backticks as <code>."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        parts = [text]
    out = []
    for i, part in enumerate(parts):
        part = "".join(SPECIAL.get(c, c) for c in part)
        out.append(f"<code>{part}</code>" if i % 2 else part)
    return "".join(out)


def block(indent, lines):
    """A comment of several lines. Code that is spread over two lines of backticks is joined first."""
    groups = [["", []]]
    for line in lines:
        text = line.strip()
        found = FIELD.match(text)
        if found:
            groups.append([found[1], [found[2]]])
        elif groups[-1][0] and line.startswith("  "):
            groups[-1][1].append(text)
        elif groups[-1][0]:
            groups.append(["", [text]])
        else:
            groups[-1][1].append(text)
    out = []
    for name, text in groups:
        if name in ("Formula", "Gradient"):
            out += [f"@par {name}", "@verbatim", *text, "@endverbatim"]
        elif name:
            out += [f"@par {name}", *quoted("\n".join(text)).split("\n")]
        elif text:
            out += ([""] if out else []) + quoted("\n".join(text)).split("\n")
    # Not with slashes before each line: Doxygen would show them in formulas.
    return [f"{indent}/** " + "\n".join(out).replace("*/", "* /"), f"{indent}*/"]


def convert(source):
    out, lines, indent = [], [], ""
    for line in source.split("\n"):
        found = COMMENT.fullmatch(line)
        if found:
            if not lines:
                indent = found[1]
            lines.append(found[2].rstrip()[1:] if found[2].startswith(" ") else found[2])
            continue
        if lines:
            out += block(indent, lines)
            lines = []
        code, mark, text = line.partition("///<")
        out.append(f"{code}///<{quoted(text)}" if mark else line)
    return "\n".join(out)


NAMESPACE = re.compile(r"(?:inline )?namespace ([\w:]+) \{$")
END = re.compile(r"\}  // namespace [\w:]+$")
FORWARD = re.compile(r"^(namespace [\w:]+ \{\n(?:(?:class|struct)[^\n{]*;[^\n]*\n)+\})$", flags=re.M)  # its end says no name


def grouped(name, source):
    """A header as a group of its own, so that its functions are explained on a page of their own; its first comment says what it is."""
    found = re.search(r"^#pragma once\n((?://[^\n]*\n)*)", source)
    words = quoted("\n".join(line[2:].strip() for line in found[1].split("\n"))).strip() if found else ""
    group = "header_" + re.sub(r"\W", "_", name)
    out = [f"/// @defgroup {group} {name}", *(f"/// {line}" for line in words.split("\n")), ""]
    opening = [f"/// @addtogroup {group}", "/// @{", ""]
    closing = ["", "/// @}"]
    within = []  # for each namespace that is open: whether its members are of the group
    for line in FORWARD.sub(r"\1  // namespace forward", source).split("\n"):
        starts, ends = NAMESPACE.match(line), END.match(line)
        if starts:
            if within and within[-1]:
                out += closing
            within.append("detail" not in starts[1].split("::") and (not within or within[-1]))
            out += [line, *(opening if within[-1] else [])]
        elif ends and within:
            out += [*(closing if within.pop() else []), line, *(opening if within and within[-1] else [])]
        else:
            out.append(line)
    return "\n".join(out)


def main(include, copy):
    for path in sorted(pathlib.Path(include).rglob("*.hpp")):
        to = pathlib.Path(copy) / path.relative_to(include)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(grouped(path.relative_to(include).as_posix(), convert(path.read_text())))


if __name__ == "__main__":
    main(*sys.argv[1:])
