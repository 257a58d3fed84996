// What a stranger's folder and a builder's output hold: ignore rules, Dockerfiles, progress. The first byte chooses.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "build/dockerfile.hpp"
#include "build/guard.hpp"
#include "build/ignore.hpp"
#include "build/progress.hpp"

namespace {

using namespace loco::build;

// The first line is the path, the rest are rules. What is below an ignored folder and cannot be taken back is ignored
// too: otherwise the walk, which does not enter there, would leave out what Docker sends.
void ignore(std::string_view text) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string path =
        std::filesystem::path(text.substr(0, end)).relative_path().lexically_normal().string();
    const auto rules = IgnoreRules::parse(text.substr(end), "f");
    if (!rules || path.empty() || path.ends_with('/') || path.starts_with("..")) return;
    const auto decision = rules->decide(path);
    LOCO_CHECK(!decision.ignored || decision.rule != nullptr);
    LOCO_CHECK(!rules->empty() || !decision.ignored);
    for (auto slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
        const std::string folder = path.substr(0, slash);
        if (rules->decide(folder).ignored && !rules->may_take_back_below(folder)) {
            LOCO_CHECK(decision.ignored);
        }
        if (rules->names(path)) LOCO_CHECK(rules->names_below(folder));
    }
    (void)why_guarded(path, EntryType::folder, "/nonexistent");
    (void)why_guarded(path, EntryType::file, "/nonexistent");
}

void dockerfile(std::string_view text) {
    const auto end = std::min(text.find('\n'), text.size());
    const Dockerfile parsed = parse_dockerfile(text.substr(end), {{"A", "b"}});
    const auto lines = static_cast<int>(parsed.lines.size());
    for (const auto& i : parsed.instructions) {
        LOCO_CHECK(i.line >= 1 && i.line <= i.last_line && i.last_line <= lines);
        LOCO_CHECK(i.stage < static_cast<int>(parsed.stages.size()));
        (void)copy_sources(i);
        (void)locate(parsed, "[stage-0 1/2] " + i.text);
    }
    (void)locate(parsed, text.substr(0, end));
    (void)locate_image(parsed, text.substr(0, end));
}

void progress(std::string_view text) {
    std::size_t told = 0;
    const auto sink = [&](const StepEvent& e) {
        ++told;
        LOCO_CHECK(e.step > 0);
        for (const char c : e.text) LOCO_CHECK(c == '\t' || static_cast<unsigned char>(c) >= 0x20);
    };
    PlainProgress whole(sink);
    whole.feed(text);
    whole.finish();
    const std::size_t once = std::exchange(told, 0);
    PlainProgress cut(sink);
    for (std::size_t at = 0; at < text.size(); at += 3) cut.feed(text.substr(at, 3));
    cut.finish();
    LOCO_CHECK(told == once);
    LOCO_CHECK(whole.steps().size() <= PlainProgress::kMaxSteps);
    LOCO_CHECK((whole.failed() == nullptr) == (cut.failed() == nullptr));
    for (const auto& [number, step] : whole.steps()) {
        LOCO_CHECK(step.tail.size() <= PlainProgress::kTailLines);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 3) {
        case 0: ignore(text); break;
        case 1: dockerfile(text); break;
        default: progress(text);
    }
    return 0;
}
