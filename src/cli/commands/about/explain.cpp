// explain: what an error code means, from the catalogue in this program: no server is asked.
#include <boost/json.hpp>

#include "cli/commands/all.hpp"
#include "cli/invocation.hpp"
#include "domain/catalogue.hpp"
#include "spec/suggest.hpp"

namespace loco::cli {
namespace {

namespace json = boost::json;

json::object document_of(const CatalogueSection& section, const Explanation& entry) {
    const auto& kind = traits(entry.kind);
    return {{"code", entry.code},
            {"phase", section.phase},
            {"kind", kind.name},
            {"exit_status", kind.exit_status},
            {"http_status", kind.http_status},
            {"title", entry.title}};
}

void list_all(Invocation& invocation) {
    if (invocation.json()) {
        json::array codes;
        for (const auto& section : catalogue()) {
            for (const auto& entry : section.entries)
                codes.emplace_back(document_of(section, entry));
        }
        invocation.print_json(json::object{{"codes", std::move(codes)}});
        return;
    }
    std::string text;
    for (const auto& section : catalogue()) {
        text += (text.empty() ? "" : "\n") +
                styled(section.title, Style::bold, invocation.colour_out()) + "\n";
        std::vector<std::vector<std::string>> rows;
        for (const auto& entry : section.entries)
            rows.push_back({"  " + std::string(entry.code), std::string(entry.title)});
        text += table(rows, 0);
    }
    invocation.print(text);
}

std::string page_of(const CatalogueSection& section, const Explanation& entry, bool colour,
                    int width) {
    const auto columns = static_cast<std::size_t>(std::clamp(width, 40, 100));
    const auto& kind = traits(entry.kind);
    std::string text = styled(entry.code, Style::bold, colour) + "\n" + std::string(entry.title) +
                       " (" + std::string(section.title) + "; exit status " +
                       std::to_string(kind.exit_status) + ")\n";
    if (!entry.meaning.empty()) text += "\n" + wrapped(entry.meaning, columns, 0) + "\n";
    const auto steps = next_steps(entry);
    if (!steps.empty()) text += "\nWhat to do\n";
    for (const auto& step : steps) text += "  - " + wrapped(step, columns - 4, 4) + "\n";
    return text;
}

Result<> run_explain(Invocation& invocation) {
    const auto code = invocation.argument("CODE");
    if (!code) {
        list_all(invocation);
        return {};
    }
    const auto found = explain(*code);
    if (found.entry == nullptr) {
        std::vector<std::string_view> known;
        for (const auto& section : catalogue()) {
            for (const auto& entry : section.entries) known.push_back(entry.code);
        }
        const auto nearest = spec::nearest(*code, known);
        return fail(ErrorKind::not_found, "there is no error code \"" + *code + "\"",
                    nearest.empty()
                        ? "see all with `loco explain`; a newer server may have codes of its own"
                        : "did you mean " + std::string(nearest) + "?",
                    "no_such_code");
    }
    const auto& [section, entry] = found;
    if (!invocation.json()) {
        invocation.print(
            page_of(*section, *entry, invocation.colour_out(), invocation.terminal().width()));
        return {};
    }
    auto document = document_of(*section, *entry);
    document["meaning"] = entry->meaning;
    json::array steps;
    for (const auto& step : next_steps(*entry)) steps.emplace_back(step);
    document["next_steps"] = std::move(steps);
    invocation.print_json(document);
    return {};
}

}  // namespace

Command explain_command() {
    return {.name = "explain",
            .summary = "Say what an error code means, and what to do about it",
            .help =
                "Every failure has a code, which stands at the end of an error. Without a code "
                "it lists all, in the order of a deploy. It needs no server.\n\n    loco "
                "explain build_copy_missing\n    loco explain",
            .arguments = {{.name = "CODE", .help = "as an error names it"}},
            .run = run_explain};
}

}  // namespace loco::cli
