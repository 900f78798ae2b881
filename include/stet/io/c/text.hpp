#pragma once
// Pieces of C source text.

#include <stet/core/error.hpp>
#include <stet/graph/input_fingerprint.hpp>

#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

namespace stet::c {

/// Whether a text is a name in C.
inline bool is_identifier(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char ch = text[i];
    const bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_';
    if (!letter && (i == 0 || ch < '0' || ch > '9')) return false;
  }
  return !text.empty();
}

/// Whether a name in C has a meaning of its own, in C99 or in C++.
inline bool is_keyword(std::string_view name) {
  constexpr std::string_view words[] = {
      "auto",     "break",  "case",     "char",   "const",   "continue", "default", "do",     "double",  "else",     "enum",
      "extern",   "float",  "for",      "goto",   "if",      "inline",   "int",     "long",   "register", "restrict", "return",
      "short",    "signed", "sizeof",   "static", "struct",  "switch",   "typedef", "union",  "unsigned", "void",     "volatile",
      "while",    "main",   "memcpy",   "memset", "bool",    "catch",    "class",   "delete", "explicit", "false",    "friend",
      "mutable",  "new",    "operator", "private", "public", "template", "this",    "throw",  "true",     "try",      "using",
      "namespace", "typename", "virtual", "protected", "export", "asm", "concept", "requires", "nullptr", "wchar_t", "typeid",
      "alignas", "alignof", "constexpr", "consteval", "constinit", "decltype", "noexcept", "static_cast", "const_cast", "dynamic_cast",
      "reinterpret_cast", "and", "and_eq", "bitand", "bitor", "compl", "not", "not_eq", "or", "or_eq", "xor", "xor_eq", "char8_t", "char16_t",
      "char32_t", "thread_local", "static_assert", "co_await", "co_return", "co_yield", "linux", "unix",
      // What headers that a program reads, or its caller does, may define; compilers know many of these by themselves.
      "NULL", "int8_t", "int16_t", "int32_t", "int64_t", "uint8_t", "uint16_t", "uint32_t", "uint64_t", "size_t", "ptrdiff_t", "intptr_t",
      "uintptr_t", "intmax_t", "uintmax_t", "printf", "scanf", "puts", "putchar", "abs", "labs", "exp", "log", "sin", "cos", "tan", "pow", "sqrt",
      "ceil", "floor", "round", "trunc", "fabs", "fmod", "exit", "abort", "malloc", "calloc", "realloc", "free", "memmove", "memcmp", "memchr",
      "strlen", "strcpy", "strcat", "strcmp", "strchr", "j0", "j1", "jn", "y0", "y1", "yn", "isnan", "isinf", "index"};
  for (const std::string_view word : words) {
    if (name == word) return true;
  }
  // Limits and types by their form: INT8_MAX, FLT_MIN, int_least8_t, uint_fast16_t.
  return name.ends_with("_MAX") || name.ends_with("_MIN") || name.starts_with("int_") || name.starts_with("uint_");
}

/// A name in C made from a text: other characters become _.
inline std::string identifier(std::string_view text) {
  std::string name;
  for (const char ch : text) {
    const char one[] = {'_', ch, '\0'};
    name += is_identifier(one) ? ch : '_';
  }
  return is_identifier(name) ? name : "_" + name;
}

/// The line in which a fingerprint's text stands (io/fingerprint_text.hpp); nothing for none.
inline std::string fingerprint_comment(std::string_view text) {
  return text.empty() ? std::string() : formatted("/* {} {} */\n", input_fingerprint_key, text);
}

/// A text as a string literal.
inline std::string literal(std::string_view text) {
  std::string out = "\"";
  for (const char ch : text) {
    const auto byte = static_cast<unsigned char>(ch);
    if (ch == '"' || ch == '\\' || byte < 32 || byte > 126) {
      out += formatted("\\{:03o}", static_cast<unsigned>(byte));
    } else {
      out += ch;
    }
  }
  return out + "\"";
}

/// A text as it may stand in a comment.
inline std::string comment_text(std::string_view text) {
  std::string out;
  for (const char ch : text) out += ch == '*' || ch == '/' || ch == '\\' || static_cast<unsigned char>(ch) < 32 ? '_' : ch;
  return out;
}

/// An int32 as C has it: the smallest one has no literal.
template <class T>
std::string number(T v) {
  if constexpr (std::is_same_v<T, std::int32_t>) {
    if (v == std::numeric_limits<std::int32_t>::min()) return "(-2147483647 - 1)";
  }
  return formatted("{}", v);
}

/// Appends numbers with commas, in lines of at most 120 characters.
template <class Range>
void append_numbers(std::string& text, const Range& numbers) {
  std::size_t width = 1;
  text += ' ';
  for (const auto& v : numbers) {
    const std::string one = number(v);
    if (width + one.size() + 2 > 120) {
      text += "\n ";
      width = 1;
    }
    text += ' ';
    text += one;
    text += ',';
    width += one.size() + 2;
  }
  text += '\n';
}

}  // namespace stet::c
