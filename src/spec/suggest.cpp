#include "spec/suggest.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace loco::spec {
namespace {

constexpr std::size_t kMaxText = 64;

std::string folded(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c >= 'A' && c <= 'Z') {
            result += static_cast<char>(c - 'A' + 'a');
        } else {
            result += c == '-' ? '_' : c;
        }
    }
    return result;
}

}  // namespace

std::size_t edit_distance(std::string_view a_text, std::string_view b_text) {
    if (a_text.size() > kMaxText || b_text.size() > kMaxText) {
        return std::max(a_text.size(), b_text.size());
    }
    const std::string a = folded(a_text);
    const std::string b = folded(b_text);
    std::array<std::array<std::size_t, kMaxText + 1>, kMaxText + 1> cost;
    for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                                   cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
            }
        }
    }
    return cost[a.size()][b.size()];
}

std::string_view nearest(std::string_view text, std::span<const std::string_view> candidates) {
    std::string_view best;
    std::size_t best_distance = 0;
    for (const auto candidate : candidates) {
        const std::size_t distance = edit_distance(text, candidate);
        const std::size_t allowed = std::max<std::size_t>(1, candidate.size() / 3);
        if (distance > allowed || distance >= candidate.size()) continue;
        if (best.empty() || distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

}  // namespace loco::spec
