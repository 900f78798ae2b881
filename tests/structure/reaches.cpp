// Whether every header includes, directly or through others, what it names: a name that headers of the library declare at
// namespace scope, and that is used in a header which reaches none of them, is a fault. It reads words, not C++, and
// takes a second where compiling every header alone takes a quarter of an hour (headers_alone.sh, with --full).
//
// What it cannot see: members, names that the header declares itself (a parameter of that name hides a function), and
// words that are neither called, nor qualified, nor a type.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

struct Word {
  std::string text;
  bool behind_space = false;
};

struct Header {
  std::vector<std::string> includes;
  std::vector<Word> words;
  std::set<std::string> declared;  // at namespace scope
  std::set<std::string> own;       // declared anywhere: members, parameters, variables
  bool inherits = false;           // has a class with a base, whose members it may call
};

using Names = std::set<std::string>;

// Found by argument-dependent lookup where the template that calls them is instantiated, by whoever includes their room.
const Names found_later = {"training_warnings", "monitor_of", "least_opset"};
// Words behind which no name is declared, though they look like a type in front of one.
const Names no_type = {"return", "else", "case", "throw", "new", "delete", "operator", "co_return"};
// Words in front of a parenthesis that are no function.
const Names no_function = {"if",       "for",      "while",         "switch",     "return",   "sizeof",
                           "decltype", "noexcept", "alignas",       "alignof",    "requires", "static_assert",
                           "catch",    "explicit", "__attribute__", "vector_size"};

bool is_name(const std::string& word) {
  return std::isalpha(static_cast<unsigned char>(word[0])) != 0 || word[0] == '_';
}

// Comments, literals and lines of the preprocessor out of the way.
std::string code_of(const std::string& text) {
  static const std::regex noise(
      "//[^\n]*|/\\*(?:[^*]|\\*(?!/))*\\*/|\"(?:[^\"\\\\\n]|\\\\.)*\"|'(?:[^'\\\\\n]|\\\\.)+'");
  const std::string quiet = std::regex_replace(text, noise, " 0 ");
  std::string code;
  bool directive = false;
  for (std::size_t begin = 0; begin < quiet.size();) {
    const std::size_t end = std::min(quiet.find('\n', begin), quiet.size() - 1);
    const std::string line = quiet.substr(begin, end + 1 - begin);
    const std::size_t first = line.find_first_not_of(" \t");
    directive = directive || (first != std::string::npos && line[first] == '#');
    if (!directive) code += line;
    directive = directive && line.size() > 1 && line[line.size() - 2] == '\\';
    begin = end + 1;
  }
  return code;
}

std::vector<Word> words_of(const std::string& code) {
  static const std::regex word("[A-Za-z_]\\w*|\\d[\\w.']*|::|->|&&|<<|>=|<=|==|\\S");
  std::vector<Word> words;
  for (std::sregex_iterator it(code.begin(), code.end(), word), end; it != end; ++it) {
    const auto at = static_cast<std::size_t>(it->position());
    words.push_back({it->str(), at > 0 && std::isspace(static_cast<unsigned char>(code[at - 1])) != 0});
  }
  return words;
}

// The names that are declared outside all braces but those of namespaces.
Names declared_in(const std::vector<Word>& words) {
  Names names;
  std::vector<bool> scopes;  // whether each open brace is a namespace's
  std::vector<std::string> head;
  long parentheses = 0;
  const auto has = [&](const char* word) { return std::find(head.begin(), head.end(), word) != head.end(); };
  const auto in_template = [&] {
    return std::count(head.begin(), head.end(), "<") > std::count(head.begin(), head.end(), ">");
  };
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i].text;
    const bool outside = std::find(scopes.begin(), scopes.end(), false) == scopes.end();
    if (word == "{") {
      scopes.push_back(outside && parentheses == 0 && has("namespace"));
      head.clear();
      continue;
    }
    if (word == "}") {
      if (!scopes.empty()) scopes.pop_back();
      head.clear();
      continue;
    }
    if (!outside) continue;
    const std::string before = i > 0 ? words[i - 1].text : "";
    const bool free_name = !before.empty() && is_name(before) && parentheses == 0 && !in_template();
    if (word == "(") {
      if (free_name && no_function.count(before) == 0 && !has("(") && !has("=")) names.insert(before);
      ++parentheses;
    } else if (word == ")") {
      --parentheses;
    } else if (word == ";" && parentheses == 0) {
      head.clear();
      continue;
    } else if (word == "=") {
      if (free_name && !has("namespace")) names.insert(before);
    } else if (free_name && is_name(word) && word != "class" && word != "struct") {
      for (const char* kind : {"struct", "class", "enum", "union", "concept"})
        if (before == kind && no_function.count(word) == 0) names.insert(word);
    }
    head.push_back(word);
  }
  return names;
}

// What a word behind another makes look like a declaration: `Type name`, `Type& name`, `Type<T> name`, `[name`; and objects,
// whose members are asked.
Names own_names(const std::vector<Word>& words) {
  Names names;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const Word& before = words[i - 1];
    if (!is_name(words[i].text)) continue;
    const bool behind_type = is_name(before.text) && no_type.count(before.text) == 0;
    const bool behind_sign = !before.behind_space && Names{"&", "&&", "*", ">"}.count(before.text) != 0;
    const std::string behind = i + 1 < words.size() ? words[i + 1].text : "";
    const bool bound = before.text == "[" || (before.text == "," && Names{"]", "=", ";"}.count(behind) != 0) ||
                       (before.text == "," && behind == "{" && i > 1 && words[i - 2].text == "}");
    const bool object = behind == "." && before.text != "." && before.text != "->";
    if (behind_type || behind_sign || bound || object) names.insert(words[i].text);
  }
  return names;
}

class Library {
 public:
  explicit Library(const fs::path& root) {
    for (const auto& entry : fs::recursive_directory_iterator(root / "stet")) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path());
      const std::string text{std::istreambuf_iterator<char>(in), {}};
      Header& header = headers_[fs::relative(entry.path(), root).string()];
      // STET_ISA_BODY names what core/for_each_isa.hpp includes.
      static const std::regex include("#\\s*(?:include|define STET_ISA_BODY)\\s*<(stet/[^>]+)>");
      for (std::sregex_iterator it(text.begin(), text.end(), include), end; it != end; ++it)
        header.includes.push_back((*it)[1]);
      header.words = words_of(code_of(text));
      header.declared = declared_in(header.words);
      header.own = own_names(header.words);
      for (std::size_t i = 1; i < header.words.size(); ++i)
        header.inherits = header.inherits || (header.words[i].text == "public" && header.words[i - 1].text == ":");
      static const std::regex scope("namespace ([\\w:]+)");
      for (std::sregex_iterator it(text.begin(), text.end(), scope), end; it != end; ++it) {
        const std::string names = (*it)[1];
        static const std::regex part("\\w+");
        for (std::sregex_iterator p(names.begin(), names.end(), part); p != std::sregex_iterator(); ++p)
          namespaces_.insert(p->str());
      }
    }
    for (const auto& [file, header] : headers_)
      for (const auto& name : header.declared) declarations_[name].insert(file);
  }

  // Prints each fault; returns how many there are.
  std::size_t check() const {
    std::size_t faults = 0;
    for (const auto& [file, header] : headers_) {
      Names reached;
      reach(file, reached);
      Names said;
      for (std::size_t i = 0; i < header.words.size(); ++i) {
        const std::string& name = header.words[i].text;
        const auto found = declarations_.find(name);
        if (found == declarations_.end() || !used(header, i) || said.count(name) != 0) continue;
        const auto& files = found->second;
        if (std::any_of(files.begin(), files.end(), [&](const std::string& f) { return reached.count(f) != 0; }))
          continue;
        said.insert(name);
        std::cout << file << " names " << name << ", but does not include " << *files.begin()
                  << (files.size() > 1 ? " or another that declares it\n" : "\n");
        ++faults;
      }
    }
    std::cout << headers_.size() << " headers, " << declarations_.size() << " names, " << faults << " not reached\n";
    return faults;
  }

 private:
  bool used(const Header& header, std::size_t i) const {
    const std::string& name = header.words[i].text;
    if (namespaces_.count(name) != 0 || found_later.count(name) != 0 || header.own.count(name) != 0) return false;
    const std::string before = i > 0 ? header.words[i - 1].text : "";
    const std::string behind = i + 1 < header.words.size() ? header.words[i + 1].text : "";
    if (before == "." || before == "->") return false;
    if (before == "::") return i > 1 && namespaces_.count(header.words[i - 2].text) != 0;
    if (std::isupper(static_cast<unsigned char>(name[0])) != 0) return true;
    return !header.inherits && (behind == "(" || behind == "{");
  }

  void reach(const std::string& file, Names& reached) const {
    if (!reached.insert(file).second) return;
    const auto found = headers_.find(file);
    if (found == headers_.end()) return;
    for (const auto& other : found->second.includes) reach(other, reached);
  }

  std::map<std::string, Header> headers_;
  std::map<std::string, Names> declarations_;  // name -> headers
  Names namespaces_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || !fs::is_directory(fs::path(argv[1]) / "stet")) {
    std::cerr << "usage: stet_test_reaches INCLUDE_DIR\n";
    return 2;
  }
  return Library(argv[1]).check() == 0 ? 0 : 1;
}
