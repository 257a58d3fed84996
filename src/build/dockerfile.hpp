// A Dockerfile as far as a failure needs it: which instruction stands where. BuildKit names a failed step by
// stage, number and text ("[stage-1 2/5] RUN npm ci"); older ones tell no line.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace loco::build {

struct Instruction {
    std::string keyword;  // upper case
    std::string
        text;      // the whole, keyword included, lines joined; without the body of here-documents
    int line = 0;  // the first, from 1
    int last_line = 0;
    int stage = -1;  // index; -1 before the first FROM
};

struct Stage {
    std::string name;  // lower case; "stage-N" when it has none
    bool named = false;
    std::string base;         // with arguments filled in as far as they have values
    bool from_stage = false;  // the base is an earlier stage, or nothing ("scratch")
    int line = 0;
};

struct Dockerfile {
    std::vector<Instruction> instructions;
    std::vector<Stage> stages;
    std::string syntax;    // of "# syntax=…"
    int heredoc_line = 0;  // the first instruction with a here-document; 0: none
    std::vector<std::string> lines;
};

// Takes anything: what is wrong with it is BuildKit's to say. At most 20,000 lines are looked at.
[[nodiscard]] Dockerfile parse_dockerfile(std::string_view text,
                                          const std::map<std::string, std::string>& args = {});

// The instruction behind a step's name; nullptr when it cannot be told.
[[nodiscard]] const Instruction* locate(const Dockerfile& dockerfile, std::string_view step);

// The FROM (or COPY --from, RUN --mount from=) that needs `image`, given as BuildKit writes it
// ("docker.io/library/debian:12"); nullptr when none does.
[[nodiscard]] const Instruction* locate_image(const Dockerfile& dockerfile, std::string_view image);

// The sources of a COPY or ADD, flags and destination left out; of both forms.
[[nodiscard]] std::vector<std::string> copy_sources(const Instruction& instruction);

// "[linux/arm64 build 2/5] RUN x" → stage "build", number 2, total 5, text "RUN x". total 0: no such name.
struct StepName {
    std::string platform;
    std::string stage;
    int number = 0;
    int total = 0;
    std::string text;
};
[[nodiscard]] StepName parse_step_name(std::string_view name);

}  // namespace loco::build
