// Collects diagnostics while a document is read. Internal to spec/.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "spec/diagnostic.hpp"
#include "spec/node.hpp"
#include "spec/quantity.hpp"

namespace loco::spec {

class Reporter {
  public:
    // More than a person reads, and a bound on hostile input.
    static constexpr std::size_t kMaxDiagnostics = 100;

    // `text` must outlive the reporter.
    Reporter(std::string file, std::string_view text) : file_(std::move(file)), text_(text) {}

    // A document is read once as it is and once under each profile; only one of these is asked for. In the
    // others, what is merely not supported yet is no mistake.
    void begin_variant(bool asked_for);

    // Where the problem has a suggestion and no fix, the fix is "write `key = suggestion`".
    void mistake(std::string_view key, Mark mark, const Problem& problem);
    void unsupported(std::string_view key, Mark mark, const Problem& problem);

    // Whether the key had a mistake in this variant: rules about it would only confuse.
    [[nodiscard]] bool failed(std::string_view key) const { return failed_.contains(key); }
    [[nodiscard]] bool asked_for() const { return asked_for_; }

    // In the order of the text.
    [[nodiscard]] std::vector<Diagnostic> take();

  private:
    void add(std::string_view key, Mark mark, const Problem& problem, bool unsupported);

    std::string file_;
    std::string_view text_;
    bool asked_for_ = true;
    std::set<std::string, std::less<>> failed_;
    std::vector<Diagnostic> diagnostics_;
};

}  // namespace loco::spec
