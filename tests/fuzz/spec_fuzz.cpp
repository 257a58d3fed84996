// loco.toml, its JSON and Dockerfiles from hostile hands. The first byte chooses the parser. What is read without
// a mistake must survive being written and read again; every diagnostic must be fit to be shown.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.hpp"
#include "spec/init.hpp"
#include "spec/json.hpp"
#include "spec/quantity.hpp"
#include "spec/read.hpp"

namespace {

using namespace loco;

void check_round_trip(const AppSpec& spec) {
    const auto text = spec::to_json(spec);
    const auto again = spec::from_json(text);
    LOCO_CHECK(again && *again == spec);
}

void read_toml(std::string_view text) {
    const spec::ReadOptions options{.default_name = "app",
                                    .profile = text.size() % 2 == 0 ? "" : "p"};
    const auto result = spec::read_spec(text, options);
    if (result) return check_round_trip(*result);
    LOCO_CHECK(!result.error().empty());
    for (const auto& diagnostic : result.error()) {
        LOCO_CHECK(!diagnostic.message.empty());
        for (const char c : spec::render(diagnostic, /*color=*/false)) {
            LOCO_CHECK(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
        }
    }
    (void)spec::to_error(result.error());
}

void read_dockerfile(std::string_view text) {
    const auto file = spec::init_from(text.substr(0, 20), "Dockerfile", text);
    LOCO_CHECK(spec::read_spec(file.text, {}).has_value());
}

void read_quantities(std::string_view text) {
    if (const auto cpu = spec::parse_cpu(text))
        LOCO_CHECK(spec::parse_cpu(spec::format_cpu(*cpu)) == *cpu);
    if (const auto memory = spec::parse_memory(text)) {
        LOCO_CHECK(spec::parse_memory(spec::format_memory(*memory)) == *memory);
    }
    if (const auto time = spec::parse_duration(text)) {
        LOCO_CHECK(spec::parse_duration(spec::format_duration(*time)) == *time);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 8) {
        case 0: read_dockerfile(text); break;
        case 1: read_quantities(text); break;
        case 2:
            if (const auto spec = loco::spec::from_json(text)) check_round_trip(*spec);
            break;
        default: read_toml(text);
    }
    return 0;
}
