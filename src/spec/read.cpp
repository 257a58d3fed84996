#include "spec/read.hpp"

#include <algorithm>

#include "spec/build_spec.hpp"
#include "spec/suggest.hpp"
#include "spec/text_rules.hpp"
#include "spec/toml.hpp"

namespace loco::spec {
namespace {

// Each profile costs a reading of the whole document.
constexpr std::size_t kMaxProfiles = 20;

// The profiles' tables by name; mistakes in how they are written are reported.
std::vector<const Member*> find_profiles(const Node& document, Reporter& reporter) {
    std::vector<const Member*> profiles;
    const auto* all = document.find("profile");
    if (all == nullptr) return profiles;
    if (all->value.kind != Node::Kind::table) {
        reporter.mistake(
            "profile", all->value.mark,
            {"this is " + std::string(describe(all->value.kind)),
             "tables under [profile.NAME]",
             {},
             all->value.kind == Node::Kind::string ? "name it when you deploy: `--profile NAME`"
                                                   : ""});
        return profiles;
    }
    if (all->value.members.size() > kMaxProfiles) {
        reporter.mistake("profile", all->mark,
                         {"there are " + std::to_string(all->value.members.size()) + " profiles",
                          "at most " + std::to_string(kMaxProfiles),
                          {},
                          {}});
        return profiles;
    }
    for (const auto& member : all->value.members) {
        const std::string path = "profile." + member.key;
        if (member.value.kind != Node::Kind::table) {
            reporter.mistake(path, member.mark,
                             {"this is " + std::string(describe(member.value.kind)),
                              "a table under [profile.NAME]",
                              {},
                              {}});
            continue;
        }
        if (member.value.find("name") == nullptr) {
            reporter.mistake(
                path, member.mark,
                {"the profile has no `name`, so it would replace the app of the file itself",
                 {},
                 {},
                 "add a line `name = \"…\"` below [profile." + member.key + "]"});
        }
        for (const std::string_view key : {"version", "profile"}) {
            if (const auto* inner = member.value.find(key)) {
                reporter.mistake(
                    path + "." + std::string(key), inner->mark,
                    {"a profile cannot set `" + std::string(key) + "`", {}, {}, "remove it"});
            }
        }
        profiles.push_back(&member);
    }
    return profiles;
}

Node without_profiles(const Node& document) {
    Node base = document;
    std::erase_if(base.members, [](const Member& member) { return member.key == "profile"; });
    return base;
}

Node under_profile(const Node& base, const Node& profile) {
    Node table = profile;
    std::erase_if(table.members, [](const Member& member) {
        return member.key == "version" || member.key == "profile";
    });
    Node merged = base;
    overlay(merged, table);
    return merged;
}

void no_such_profile(const std::string& wanted, const std::vector<const Member*>& profiles,
                     Reporter& reporter) {
    std::vector<std::string_view> names;
    std::string list;
    for (const auto* profile : profiles) {
        names.push_back(profile->key);
        list += (list.empty() ? "" : ", ") + profile->key;
    }
    const auto near = nearest(wanted, names);
    reporter.mistake("profile", {},
                     {"there is no profile " + quote_short(wanted),
                      list.empty() ? "" : "one of " + list, near.empty() ? "" : quote(near),
                      near.empty() ? (list.empty() ? "" : "take one of " + list + ", or ") +
                                         "add [profile.NAME] with its own `name`"
                                   : "use `--profile " + std::string(near) + "`"});
}

}  // namespace

std::expected<AppSpec, Diagnostics> read_spec(std::string_view text, const ReadOptions& options) {
    Reporter reporter(options.file, text);
    if (text.size() > kMaxSpecBytes) {
        reporter.mistake("", {}, {"the file has more than 256 KiB", {}, {}, {}});
        return std::unexpected(reporter.take());
    }
    auto document = parse_toml(text);
    if (!document) {
        reporter.mistake("", document.error().mark,
                         {document.error().message, {}, {}, document.error().fix});
        return std::unexpected(reporter.take());
    }

    const auto profiles = find_profiles(*document, reporter);
    const Node base = without_profiles(*document);
    reporter.begin_variant(options.profile.empty());
    AppSpec spec = build_spec(base, Source::toml, options, reporter);
    bool found = options.profile.empty();
    for (const auto* profile : profiles) {
        const bool asked_for = profile->key == options.profile;
        found = found || asked_for;
        reporter.begin_variant(asked_for);
        AppSpec variant =
            build_spec(under_profile(base, profile->value), Source::toml, options, reporter);
        if (asked_for) spec = std::move(variant);
    }
    if (!found) no_such_profile(options.profile, profiles, reporter);

    auto diagnostics = reporter.take();
    if (!diagnostics.empty()) return std::unexpected(std::move(diagnostics));
    return spec;
}

}  // namespace loco::spec
