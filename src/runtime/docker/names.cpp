#include "runtime/docker/names.hpp"

#include <cstdint>

#include "base/id.hpp"

namespace loco::runtime {
namespace {

// FNV-1a: short names that are the same each time; nothing secret.
std::string word_of(std::string_view text, std::size_t length) {
    std::uint64_t hash = 14'695'981'039'346'656'037ULL;
    for (const char c : text) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 1'099'511'628'211ULL;
    }
    hash ^= hash >> 29U;  // the low bits of FNV know little of the first characters
    std::string word;
    for (std::size_t i = 0; i < length; ++i) {
        word += kBase32Alphabet[hash & 31U];
        hash >>= 5U;
    }
    return word;
}

}  // namespace

std::string tag_of(std::string_view loco) { return word_of(loco, 5); }

std::string container_name(const InstanceId& instance, int attempt) {
    return "loco-" + instance.str() + "-" + std::to_string(attempt);
}

std::string network_name(std::string_view loco, const TeamId& team) {
    return "loco-" + tag_of(loco) + "-" + team.str();
}

std::string bridge_prefix(std::string_view loco) { return "lc" + tag_of(loco) + "-"; }

std::string bridge_name(std::string_view loco, const TeamId& team) {
    return bridge_prefix(loco) + word_of(team.str(), 7);
}

}  // namespace loco::runtime
