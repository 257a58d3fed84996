// .dockerignore with the semantics of moby's patternmatcher (github.com/moby/patternmatcher): what
// `docker build` itself would leave out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace loco::build {

class IgnoreRules {
  public:
    struct Rule {
        std::string pattern;  // as written, trimmed
        int line = 0;
    };
    struct Decision {
        bool ignored = false;
        const Rule* rule = nullptr;  // the one that decided; nullptr: none matched
    };

    // `file` names the source in errors. invalid for a malformed pattern, with its line.
    [[nodiscard]] static Result<IgnoreRules> parse(std::string_view text, std::string_view file);

    // `path` is relative to the context, with '/' and without "./". The last rule that matches the path
    // or one of its parents decides.
    [[nodiscard]] Decision decide(std::string_view path) const;
    // Whether a negated pattern could take back something below the ignored folder `path`.
    [[nodiscard]] bool may_take_back_below(std::string_view path) const;
    // Whether a negated pattern without wildcards is exactly `path`: it was named on purpose.
    [[nodiscard]] bool names(std::string_view path) const;
    // Whether such a pattern names something below the folder `path`.
    [[nodiscard]] bool names_below(std::string_view path) const;

    [[nodiscard]] bool empty() const { return patterns_.empty(); }

  private:
    enum class Match : std::uint8_t { exact, prefix, suffix, glob };
    struct Token {
        // deep is "**/" (any number of folders, also none), rest is "**" at the end.
        enum class Kind : std::uint8_t { literal, any, star, set, deep, rest } kind;
        char32_t value = 0;
        bool negated = false;                               // of a set
        std::vector<std::pair<char32_t, char32_t>> ranges;  // of a set
    };
    struct Pattern {
        Rule rule;
        bool negated = false;
        Match match = Match::exact;
        std::string cleaned;
        std::vector<Token> tokens;  // of a glob

        [[nodiscard]] bool matches(std::string_view path) const;
        [[nodiscard]] bool matches_it_or_parent(std::string_view path) const;
        [[nodiscard]] std::string_view literal_prefix() const;
    };
    [[nodiscard]] static Result<Pattern> compile(std::string cleaned);

    std::vector<Pattern> patterns_;
};

}  // namespace loco::build
